"""Erases people of a platform day and searches every byte that is left for them."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.platform_day import run, settings_of
from bench.rows import ROOT, Origin, Row, make_row
from bench.world import FIRST_DAY, World, write

_PEOPLE: Final = 1_000
_NOW: Final = datetime.combine(FIRST_DAY, datetime.min.time()).replace(hour=12)
# Addresses that one dormant person alone has.
_ALONE_SQL: Final = """
    with addresses as (
        select person_id, lower(email) as address from marts.dim_people where email is not null
        union
        select person_id, phone_e164 from marts.dim_people where phone_e164 is not null
    ),
    alone as (select address, any_value(person_id) as person_id from addresses group by address having count(*) = 1)
    select person_id, list(address order by address) as addresses
    from alone where person_id in (select person_id from marts.dim_people where is_dormant)
    group by person_id order by hash(person_id) limit ?
"""


def erasure_rows(origin_: Origin, share: float) -> list[Row]:
    """A day of a world with four times as many people, of whom the share of 1,000 is erased."""
    count = max(20, round(_PEOPLE * share))
    with tempfile.TemporaryDirectory() as folder:
        gone, left, others = _erased(Path(folder), count)
    name = f"{gone:,} of {4 * count:,} people erased"
    return [
        make_row(origin_, f"{name}: files that still hold one", [left], "files", target=0),
        make_row(origin_, f"{name}: others whose data is gone", [others], "people", target=0),
    ]


def _erased(folder: Path, count: int) -> tuple[int, int, int]:
    """People who were erased, files that hold one of them, and people of as many others whose data is gone."""
    from pipelines.resources import Engine
    from pipelines.rights.erasure import erase_people
    from pipelines.rights.landed_people import declared_countries
    from pipelines.rights.people import find_people
    from recovery.addresses import load_address_key
    from recovery.ledger.engine import make_engine
    from recovery.rights.files import hits

    world, state = World(folder / "world", 4 * count), folder / "var"
    world.folder.mkdir()
    write(world, FIRST_DAY, since=None)
    day = run(state, world.sources, FIRST_DAY)
    if not day.ok:
        raise RuntimeError("\n".join(day.failures))
    installation = Engine(root=str(ROOT), overrides=settings_of(state, world.sources))
    settings = installation.settings
    with installation.warehouse.open() as connection:
        found = connection.execute(_ALONE_SQL, [2 * count]).fetchall()
    gone, kept = found[: len(found) // 2], found[len(found) // 2 :]
    engine = make_engine(settings.ledger_sqlalchemy_url)
    people = find_people(settings.landing_dir, engine, [row[0] for row in gone], countries=declared_countries(settings))
    key = load_address_key(settings.secrets_dir)

    def found_in_landing() -> set[str]:  # numbers that an export writes in another way are not
        return {row[0] for row in kept if next(hits(settings.landing_dir, tuple(row[1])), None) is not None}

    before = found_in_landing()
    erase_people(settings, engine, people, addresses=key, now=_NOW)
    engine.dispose()
    words = tuple(address for row in gone for address in row[1])
    left = len(list(hits(state, words)))
    return len(gone), left, len(before - found_in_landing())
