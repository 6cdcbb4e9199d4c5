"""A refusal that arrives after the day began holds that day; a grant does not."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, World, later

from pipelines.campaigns.assets import publish_plan

LATE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("record_key", "email", "phone", "channel", "basis", "evidence", "source")),
        ("since", pa.timestamp("us")),
    ]
)
LINK_SCHEMA = pa.schema([("record_key", pa.string()), ("person_id", pa.string()), ("valid_to", pa.timestamp("us"))])


def arrive(world: World, *refusals: dict[str, Any]) -> None:
    """What exports of the day refuse, with a link of record `r1` to person 1."""
    common = {"channel": "email", "basis": "opt_out", "evidence": "opt-out column", "source": "hubspot_main"}
    rows = [common | {"since": datetime(2026, 6, 1, 3)} | row for row in refusals]
    links = [{"record_key": "r1", "person_id": "person-00001"}]
    tables = {
        "int_permissions__late": pa.Table.from_pylist(rows, schema=LATE_SCHEMA),
        "int_person_links": pa.Table.from_pylist(links, schema=LINK_SCHEMA),
    }
    with world.engine().warehouse.open() as connection:
        connection.execute("create schema if not exists intermediate")
        for name, table in tables.items():
            connection.register("incoming", table)
            connection.execute(f"create or replace table intermediate.{name} as select * from incoming")
            connection.unregister("incoming")


def reasons(world: World, day: date = DAY) -> dict[str, str]:
    publish_plan(world.engine(), day)
    return {row["person_id"]: row["reason"] for row in world.plan(day)}


def test_a_refusal_of_the_day_bars_the_person_by_record_and_by_address(tmp_path: Path) -> None:
    quiet, world = World(tmp_path / "quiet"), World(tmp_path / "late")
    for one in (quiet, world):
        one.write()
    arrive(quiet)
    third = world.people[3]["email"]
    arrive(world, {"record_key": "r1"}, {"record_key": "of nobody", "email": third, "basis": "complaint"})
    before, after = reasons(quiet), reasons(world)
    assert (after["person-00001"], after["person-00003"]) == ("opted_out", "complained")
    assert not {"opted_out", "complained"} & set(before.values())
    assert sum(reason in ("opted_out", "complained") for reason in after.values()) == 2


def test_a_day_that_is_over_keeps_what_was_known_on_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    yesterday = later(-1)
    world.write()
    publish_plan(world.engine(), DAY)
    world.write(yesterday)
    arrive(world, {"record_key": "r1"})
    assert reasons(world, yesterday)["person-00001"] != "opted_out"


def test_a_plan_is_made_anew_when_a_refusal_arrives_before_the_batch_leaves(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write()
    arrive(world)
    assert reasons(world)["person-00001"] != "opted_out"
    arrive(world, {"record_key": "r1", "channel": "all", "basis": "do_not_contact"})
    assert reasons(world)["person-00001"] == "do_not_contact"
