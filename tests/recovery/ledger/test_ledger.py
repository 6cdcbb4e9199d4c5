"""The ledger keeps what it is told, once, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from contracts.errors import PassingError, PermanentError, SettingError
from recovery.ledger import (
    ASSIGNMENTS_SCHEMA,
    LINKS_SCHEMA,
    BatchRecord,
    BatchState,
    Ledger,
    RecordOutcome,
    ledger_url,
    open_ledger,
)
from recovery.ledger.engine import HEAD, alembic_config, make_engine, reading, writing
from recovery.ledger.schema import metadata

DAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 1, 5, 0, 0, 123456)


def links(count: int, *, start: int = 0) -> pa.Table:
    return pa.table(
        {
            "record_key": [f"hubspot:contacts:{n:07d}" for n in range(start, start + count)],
            "person_id": [f"person-{n:07d}" for n in range(start, start + count)],
            "since": [NOW + timedelta(minutes=n) for n in range(start, start + count)],
            "why": ['first "observed", as such\nnewline é'] * count,
            "as_of_date": [DAY] * count,
        },
        schema=LINKS_SCHEMA,
    )


def assignments(batch_id: str, people: list[str], *, as_of: date = DAY, arm: str = "contacted") -> pa.Table:
    rows = [
        {
            "assignment_id": f"{batch_id}-{person}",
            "batch_id": batch_id,
            "as_of_date": as_of,
            "person_id": person,
            "account_id": None if n % 2 else "",
            "sender_id": "main",
            "channel": "email",
            "playbook": "b2b_starter@1",
            "step": 1,
            "cycle": 1,
            "arm": arm,
            "propensity": 0.1 + 0.2,
            "rank": n,
            "policy_version": "v",
            "not_before": NOW,
            "expires_at": NOW + timedelta(days=2),
            "content_sha256": "c" * 64,
        }
        for n, person in enumerate(people)
    ]
    return pa.Table.from_pylist(rows, schema=ASSIGNMENTS_SCHEMA)


def batch(batch_id: str, *, as_of: date = DAY, planned: int = 2) -> BatchRecord:
    return BatchRecord(batch_id, batch_id * 2, as_of, "main", BatchState.RECORDED, planned, 0, batch_id, NOW)


def test_links_come_back_as_they_went_in(ledger: Ledger) -> None:
    given = links(1_000)
    assert ledger.append_links(given.take(list(reversed(range(1_000))))) == 1_000
    assert ledger.read_links().equals(given)
    assert ledger.append_links(given) == 0
    assert ledger.append_links(links(10, start=995)) == 5
    assert ledger.read_links().num_rows == 1_005


def test_an_empty_ledger_reads_as_empty_tables(ledger: Ledger) -> None:
    assert ledger.read_links().equals(LINKS_SCHEMA.empty_table())
    assert ledger.read_assignments().equals(ASSIGNMENTS_SCHEMA.empty_table())
    assert ledger.append_links(LINKS_SCHEMA.empty_table()) == 0
    assert ledger.batch_of(as_of=DAY, sender_id="main") is None


def test_links_are_read_as_of_a_moment(ledger: Ledger) -> None:
    ledger.append_links(links(10))
    early = ledger.read_links(since_before=NOW + timedelta(minutes=4))
    assert early.equals(links(4))


def test_a_batch_is_written_once(ledger: Ledger) -> None:
    rows = assignments("b1", ["ann", "bob"])
    outcome, kept = ledger.record_batch(batch("b1"), rows)
    assert (outcome, kept.batch_id) == (RecordOutcome.RECORDED, "b1")
    outcome, kept = ledger.record_batch(replace(batch("b1"), created_at=NOW + timedelta(days=1)), rows)
    assert (outcome, kept.created_at) == (RecordOutcome.ALREADY, NOW)
    assert ledger.read_assignments().equals(rows)


def test_another_batch_of_the_day_never_replaces_an_emitted_one(ledger: Ledger) -> None:
    ledger.record_batch(batch("b1"), assignments("b1", ["ann"]))
    ledger.mark_emitted("b1")
    ledger.mark_emitted("b1")
    outcome, kept = ledger.record_batch(batch("b2"), assignments("b2", ["bob"]), replace_recorded=True)
    assert outcome is RecordOutcome.KEPT_FIRST
    assert (kept.batch_id, kept.state) == ("b1", BatchState.EMITTED)
    assert ledger.read_assignments()["person_id"].to_pylist() == ["ann"]


def test_a_batch_that_never_left_can_be_replaced(ledger: Ledger) -> None:
    ledger.record_batch(batch("b1"), assignments("b1", ["ann", "bob"]))
    outcome, kept = ledger.record_batch(batch("b2"), assignments("b2", ["bob"]))
    assert (outcome, kept.batch_id) == (RecordOutcome.KEPT_FIRST, "b1")
    outcome, kept = ledger.record_batch(batch("b2"), assignments("b2", ["bob"]), replace_recorded=True)
    assert (outcome, kept.batch_id) == (RecordOutcome.REPLACED, "b2")
    assert [b.batch_id for b in ledger.batches()] == ["b2"]
    assert ledger.read_assignments()["person_id"].to_pylist() == ["bob"]


def test_nobody_gets_a_step_twice_in_a_spell_and_nothing_is_half_written(ledger: Ledger) -> None:
    ledger.record_batch(batch("b1"), assignments("b1", ["ann"]))
    later = DAY + timedelta(days=30)
    with pytest.raises(PermanentError, match="already has this step"):
        ledger.record_batch(batch("b2", as_of=later), assignments("b2", ["zoe", "ann"], as_of=later))
    assert [b.batch_id for b in ledger.batches()] == ["b1"]
    assert ledger.read_assignments()["person_id"].to_pylist() == ["ann"]


def test_assignments_are_read_by_day(ledger: Ledger) -> None:
    for n, day in enumerate((DAY, DAY + timedelta(days=7), DAY + timedelta(days=14))):
        ledger.record_batch(batch(f"b{n}", as_of=day), assignments(f"b{n}", [f"p{n}"], as_of=day))
    window = ledger.read_assignments(before=DAY + timedelta(days=14), since=DAY + timedelta(days=1))
    assert window["person_id"].to_pylist() == ["p1"]


def test_assignments_refer_to_a_batch(ledger: Ledger) -> None:
    with pytest.raises(PermanentError):
        ledger.record_batch(batch("b1"), assignments("another", ["ann"]))
    assert ledger.batches() == ()


def test_opening_again_changes_nothing(bare_url: str) -> None:
    for _ in range(2):
        with open_ledger(bare_url) as ledger:
            ledger.append_links(links(3))
    with open_ledger(bare_url) as ledger:
        assert ledger.read_links().num_rows == 3


def test_many_open_the_ledger_at_once(bare_url: str) -> None:
    failures: list[BaseException] = []
    barrier = threading.Barrier(6)

    def work(n: int) -> None:
        try:
            barrier.wait()
            with open_ledger(bare_url) as ledger:
                ledger.append_links(links(50, start=n * 25))
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with open_ledger(bare_url) as ledger:
        assert ledger.read_links().num_rows == 5 * 25 + 50


def test_migrations_build_exactly_the_declared_tables(bare_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    open_ledger(bare_url).close()
    engine = make_engine(bare_url)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("survives", [0, 7])
def test_an_interrupted_migration_leaves_nothing(bare_url: str, monkeypatch: pytest.MonkeyPatch, survives: int) -> None:
    from alembic import op

    create, calls = op.create_index, 0

    def fail(*arguments: object, **options: object) -> None:
        nonlocal calls
        calls += 1
        if calls > survives:
            raise KeyboardInterrupt
        create(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", fail)
        with pytest.raises(KeyboardInterrupt):
            open_ledger(bare_url)
    engine = make_engine(bare_url)
    with reading(engine) as connection:
        assert sa.inspect(connection).get_table_names() == []
    with open_ledger(bare_url) as ledger:
        assert ledger.append_links(links(2)) == 2


@pytest.mark.parametrize("survives", [0, 9])
def test_a_migration_that_dies_between_releases_keeps_the_old_ledger_whole(
    bare_url: str, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    from alembic import command, op

    engine = make_engine(bare_url)
    with writing(engine) as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.exec_driver_sql(
            "insert into batches values "
            "('b0', 'f00d', '2026-05-01', 'main', 'emitted', 3, 1, 'b0', '2026-05-01 05:00:00')"
        )
    create, calls = op.create_table, 0

    def fail(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls > survives:
            raise OSError(28, "No space left on device")
        return create(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_table", fail)
        with pytest.raises(OSError, match="No space left"):
            open_ledger(bare_url)
    assert calls == survives + 1
    with reading(engine) as connection:
        assert connection.execute(sa.text("select version_num from alembic_version")).scalar() == "0001"
        assert connection.execute(sa.text("select batch_id, planned from batches")).all() == [("b0", 3)]
        assert "touches" not in sa.inspect(connection).get_table_names()
    engine.dispose()
    with open_ledger(bare_url) as ledger:
        assert [batch.batch_id for batch in ledger.batches()] == ["b0"]


def test_a_ledger_of_the_first_release_keeps_its_rows(bare_url: str) -> None:
    from alembic import command

    engine = make_engine(bare_url)
    with writing(engine) as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.exec_driver_sql(
            "insert into batches values "
            "('b0', 'f00d', '2026-05-01', 'main', 'emitted', 3, 1, 'b0', '2026-05-01 05:00:00')"
        )
    with open_ledger(bare_url) as ledger:
        (kept,) = ledger.batches()
    assert (kept.batch_id, kept.state, kept.planned, kept.facts) == ("b0", BatchState.EMITTED, 3, "{}")
    with writing(engine) as connection:
        command.downgrade(alembic_config(connection), "0001")
    with reading(engine) as connection:
        names = set(sa.inspect(connection).get_table_names())
    assert names == {"alembic_version", "assignments", "batches", "person_links"}
    engine.dispose()


def test_a_ledger_of_a_newer_release_is_refused(bare_url: str) -> None:
    open_ledger(bare_url).close()
    engine = make_engine(bare_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(PermanentError, match="newer release"):
        open_ledger(bare_url)


def test_sqlite_is_durable(tmp_path: Path) -> None:
    url = ledger_url(None, tmp_path)
    open_ledger(url).close()
    engine = make_engine(url)
    with reading(engine) as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize("wrong", ["mysql://host/db", "no address at all", "sqlite://"])
def test_other_databases_are_refused(wrong: str) -> None:
    with pytest.raises(SettingError, match="RECOVERY_LEDGER_URL"):
        open_ledger(wrong)


def test_a_silent_database_is_told_without_its_password() -> None:
    with pytest.raises(PassingError) as told:
        open_ledger("postgresql://somebody:geheim@127.0.0.1:1/db?connect_timeout=2")
    assert "geheim" not in str(told.value)
    assert "127.0.0.1" in str(told.value)
