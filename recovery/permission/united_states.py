"""States of the US: codes from what CRMs write, and what an area code tells about a number."""

from __future__ import annotations

from functools import cache
from typing import Final

import holidays
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.tzdata import TIMEZONE_DATA

# Names of libphonenumber's area codes that are not those of the state.
_AREA_NAMES: Final = {"WASHINGTON STATE": "WA", "WASHINGTON D.C.": "DC"}


@cache
def _codes() -> dict[str, str]:
    """Upper-case code or name of each state, district and territory, to its code (ISO 3166-2:US)."""
    places = holidays.country_holidays("US")
    known = {code: code for code in places.subdivisions}
    known |= {f"US-{code}": code for code in places.subdivisions}
    known |= {name.upper(): code for name, code in places.subdivisions_aliases.items()}
    return known


def state_code(text: str) -> str | None:
    """Code of a state from its code or English name, or None when it is none.

    >>> state_code(" texas "), state_code("US-TX"), state_code("Bavaria")
    ('TX', 'TX', None)
    """
    return _codes().get(" ".join(text.upper().split()))


@cache
def area_of(prefix: str) -> tuple[str | None, tuple[str, ...]]:
    """State of a North American area code, None where it does not tell, and every zone that its numbers lie in.

    Args:
        prefix: the number's first five characters, `+1` and the area code.
    """
    digits = prefix.removeprefix("+")
    place = GEOCODE_DATA.get(digits, {}).get("en", "").upper()
    state = _AREA_NAMES.get(place) or state_code(place.rpartition(",")[2])
    return (state, _zones().get(digits, ())) if state else (None, ())


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for digits, zones in TIMEZONE_DATA.items():
        if digits.startswith("1") and len(digits) >= 4:
            found.setdefault(digits[:4], set()).update(zones)
    return {digits: tuple(sorted(zones)) for digits, zones in found.items()}
