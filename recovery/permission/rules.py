"""The rules of each country and state as dated, cited data files in `rules/`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from contracts.errors import PermanentError
from recovery.permission.hours import Hours, Window, coming_windows, first_after
from recovery.permission.packs import CHANNELS, ChannelRule, Pack, PlaceRule, PlaceRules, week_of

RULES_DIR: Final = Path(__file__).parent / "rules"
ELSEWHERE: Final = "*"
# Bound of the memory for windows: about 100 MB.
_MOST_WINDOWS: Final = 100_000


@dataclass(frozen=True)
class RuleBook:
    """All packs, rules of places and the house's own hours.

    Attributes:
        packs: by country, newest first.
        places: hours, caps and bars by place (`US`, `US-FL`, `US-?`, `*`).
        own_hours: by channel.
        split_zones: zones of states of the US whose clocks differ.
        sha256: fingerprint of the files; an approval binds to it.
    """

    packs: dict[str, tuple[Pack, ...]]
    places: dict[str, tuple[PlaceRule, ...]]
    own_hours: dict[str, Hours]
    split_zones: dict[str, tuple[str, ...]]
    sha256: str
    _hours: dict[Any, Hours] = field(default_factory=dict, repr=False, compare=False)
    _rules: dict[Any, tuple[PlaceRule, ...]] = field(default_factory=dict, repr=False, compare=False)
    _packs: dict[Any, Pack] = field(default_factory=dict, repr=False, compare=False)
    _windows: dict[Any, tuple[Window, ...]] = field(default_factory=dict, repr=False, compare=False)

    def pack(self, country: str, day: date) -> Pack:
        """Rules in force in a country on a day; without an entry, the strict ones of everywhere else."""
        key = (country, day)
        if key not in self._packs:
            found = (pack for pack in self.packs.get(country, ()) if pack.is_in_force(day))
            self._packs[key] = next(found, self.packs[ELSEWHERE][0])
        return self._packs[key]

    def rule(self, country: str, channel: str, day: date) -> ChannelRule:
        """Rule of one channel (`email`, `sms`, `call`, `audience`)."""
        found: ChannelRule = getattr(self.pack(country, day), channel)
        return found

    def place_rules(self, places: tuple[str, ...], channel: str, day: date) -> tuple[PlaceRule, ...]:
        """Hours, caps and bars that hold in any of the places for one channel on a day."""
        key = (places, channel, day)
        if key not in self._rules:
            known = (rule for place in places for rule in self.places.get(place, ()))
            self._rules[key] = tuple(rule for rule in known if channel in rule.channels and rule.is_in_force(day))
        return self._rules[key]

    def hours(self, places: tuple[str, ...], channel: str, day: date) -> Hours:
        """The house's own hours within those of every place."""
        key = (places, channel, day)
        if key not in self._hours:
            laws = [rule.opening for rule in self.place_rules(places, channel, day) if rule.opening is not None]
            self._hours[key] = reduce(Hours.and_, laws, self.own_hours[channel])
        return self._hours[key]

    def window(self, zones: frozenset[str], places: tuple[str, ...], channel: str, now: datetime) -> Window | None:
        """First stretch of time, now or later, in which every place and every zone is open; None within two weeks.

        Windows are computed once per combination and UTC day.
        """
        today = now.date()
        key = (zones, places, channel, today)
        if key not in self._windows:
            if len(self._windows) >= _MOST_WINDOWS:
                self._windows.clear()
            self._windows[key] = coming_windows(
                tuple(sorted(zones)), lambda day: self.hours(places, channel, day), today
            )
        return first_after(self._windows[key], now)

    def places_of(self, countries: Iterable[str], states: frozenset[str], *, is_state_known: bool) -> tuple[str, ...]:
        """Places whose rules hold together: every country and, in the US, every state that anything names.

        A state that only an area code names does not lift the hours of an unknown state. A country without hours of
        its own has those of everywhere else.
        """
        found: list[str] = []
        for country in sorted(countries):
            found.append(country if country in self.places else ELSEWHERE)
            if country == "US":
                found += [f"US-{state}" for state in sorted(states)]
                if not is_state_known:
                    found.append("US-?")
        return tuple(found)


@lru_cache(maxsize=4)
def load_rules(folder: Path = RULES_DIR) -> RuleBook:
    """Read and check every rule file.

    Raises:
        PermanentError: a file is missing or breaks the schema.
    """
    digest = hashlib.sha256()
    packs: dict[str, list[Pack]] = {}
    places: dict[str, list[PlaceRule]] = {}
    own: dict[str, Hours] = {}
    split: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.yml")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            if path.stem == "hours":
                own = {channel: Hours(week_of(week)) for channel, week in content.items()}
            elif path.stem == "us_places":
                split = {state: tuple(zones) for state, zones in content["split_zones"].items()}
            elif isinstance(content, dict):
                for rule in PlaceRules.model_validate(content).rules:
                    places.setdefault(rule.place, []).append(rule)
            else:
                for pack in (Pack.model_validate(entry) for entry in content):
                    for country in pack.countries:
                        packs.setdefault(country, []).append(pack)
        except (yaml.YAMLError, ValidationError, TypeError, AttributeError, KeyError, ValueError) as error:
            raise PermanentError(f"A rule file cannot be used: {error}.", where=str(path)) from error
    _require_all(packs, places, own, folder)
    return RuleBook(
        packs={
            country: tuple(sorted(found, key=lambda pack: pack.valid_from, reverse=True))
            for country, found in packs.items()
        },
        places={place: tuple(found) for place, found in places.items()},
        own_hours=own,
        split_zones=split,
        sha256=digest.hexdigest(),
    )


def _require_all(
    packs: dict[str, list[Pack]], places: dict[str, list[PlaceRule]], own: dict[str, Hours], folder: Path
) -> None:
    missing = [f"hours of {channel}" for channel in CHANNELS if channel not in own]
    missing += [] if ELSEWHERE in packs else ["rules for everywhere else"]
    missing += [f"calling hours of {place}" for place in (ELSEWHERE, "US", "US-?") if place not in places]
    if missing:
        raise PermanentError(
            f"Not every rule is there: {', '.join(missing)}.", where=str(folder), remedy="Reinstall the package."
        )
