"""Checks of the campaigns and feedback stages turn red on planted faults."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, PEOPLE_SCHEMA, PERMISSIONS_SCHEMA, World, person, refusal, verdicts

from contracts.published import publish, read_manifest, read_published
from pipelines.campaigns.checks import count_suppressed, evaluate_batch, evaluate_conservation, evaluate_gap
from pipelines.feedback.checks import evaluate_assignments
from pipelines.warehouse import Warehouse


def rows(*decisions: tuple[str, str, str | None]) -> pa.Table:
    return pa.table(
        {
            "person_id": [d[0] for d in decisions],
            "decision": [d[1] for d in decisions],
            "reason": pa.array([d[2] for d in decisions], pa.string()),
            "channel": ["email"] * len(decisions),
        }
    )


GOOD = rows(("a", "contacted", None), ("b", "held_out", None), ("c", "skipped", "capacity"))


@pytest.mark.parametrize(
    ("table", "dormant", "passed"),
    [
        (GOOD, 3, True),
        (GOOD, 4, False),
        (rows(("a", "contacted", None), ("a", "contacted", None)), 2, False),
        (rows(("a", "skipped", None)), 1, False),
        (rows(("a", "contacted", "capacity")), 1, False),
        (rows(("a", "lost", None)), 1, False),
    ],
)
def test_conservation(table: pa.Table, dormant: int, passed: bool) -> None:
    assert evaluate_conservation(table, dormant=dormant)[0] is passed


def test_the_gap() -> None:
    assert evaluate_gap(GOOD, {"c"})[0]
    assert not evaluate_gap(GOOD, {"b"})[0]
    assert not evaluate_gap(rows(("a", "contacted", None), ("a", "held_out", None)), set())[0]


def test_the_outbox_against_the_batch() -> None:
    touches = [
        {"touch_id": "1", "arm": "contacted", "channel": "email"},
        {"touch_id": "2", "arm": "held_out", "channel": "email"},
    ]
    assert evaluate_batch(touches, ["1"], ["1"])[0]
    for written, mails in [(["1", "2"], ["1"]), (["1"], ["1", "2"]), ([], []), (["1", "1"], ["1"]), (["1"], [])]:
        assert not evaluate_batch(touches, written, mails)[0]


def test_assignments_in_the_results() -> None:
    row = {"scope": "all", "people": 2, "immature": 1, "censored": 1, "unlabelled": 0, "later_steps": 0}
    assert evaluate_assignments([row, row | {"scope": "playbook and channel"}], assigned=4)[0]
    assert not evaluate_assignments([row], assigned=5)[0]


@pytest.mark.parametrize(
    ("fact", "found"),
    [
        (refusal("person-00000"), 1),
        (refusal("person-00000", "do_not_contact", "all"), 1),
        (refusal("person-00000", "objection", "sms"), 1),
        (refusal("person-00000", "opt_out", "sms"), 0),
        (refusal("person-00009"), 0),
    ],
)
def test_a_suppressed_person_is_found_in_sql(tmp_path: Path, fact: dict[str, object], found: int) -> None:
    warehouse = Warehouse(tmp_path / "w.duckdb")
    with warehouse.open() as connection:
        fill(connection, [fact])
        assert count_suppressed(warehouse, connection, rows(("person-00000", "contacted", None))) == found
        assert count_suppressed(warehouse, connection, rows(("person-00000", "skipped", "opted_out"))) == 0


def test_an_address_on_any_raw_list_is_found(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "w.duckdb")
    with warehouse.open() as connection:
        fill(connection, [])
        connection.execute("create schema raw")
        connection.execute("create table raw.mapped__suppressions as select ' LEAD0@company0.example' as email")
        assert count_suppressed(warehouse, connection, rows(("person-00000", "contacted", None))) == 1


def fill(connection: duckdb.DuckDBPyConnection, facts: list[dict[str, object]]) -> None:
    connection.execute("create schema marts")
    for name, table in {
        "dim_people": pa.Table.from_pylist([person(0)], schema=PEOPLE_SCHEMA),
        "fct_permissions": pa.Table.from_pylist(facts, schema=PERMISSIONS_SCHEMA),
    }.items():
        connection.register("incoming", table)
        connection.execute(f"create table marts.{name} as select * from incoming")
        connection.unregister("incoming")


def test_a_red_safety_check_keeps_the_batch_at_home(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write()
    with world.engine().warehouse.open() as connection:  # a list that the marts do not know
        connection.execute("create table raw.mapped__suppressions as select email from marts.dim_people")
    result = world.run()
    assert not result.success
    assert verdicts(result)["nobody_suppressed_is_planned"] is False
    assert not world.outbox.exists()


def test_a_leaked_message_turns_the_outbox_check_red(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write()
    world.run()
    manifest = read_manifest(world.published, dataset="campaign_batch", as_of=DAY)
    assert manifest is not None
    (world.outbox / manifest.facts["batch_id"] / "eml" / "stray.eml").write_text("x")
    assert verdicts(world.run())["held_out_people_get_no_message_and_everybody_else_one"] is False


def test_a_tampered_plan_turns_conservation_red(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write()
    world.day()
    table = read_published(world.published, dataset="campaign_plan", as_of=DAY)
    publish(world.published, dataset="campaign_plan", as_of=DAY, table=table.slice(1), facts=world.facts())
    assert verdicts(world.run())["every_dormant_person_is_planned_held_out_or_skipped"] is False
