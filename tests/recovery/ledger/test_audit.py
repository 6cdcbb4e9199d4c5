"""The audit chain shows every flip, drop and swap of a row."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest
import sqlalchemy as sa

from recovery.ledger.audit import GENESIS, AuditEntry, append_audit, read_head, verify_chain
from recovery.ledger.engine import make_engine, reading, writing

NOW = datetime(2026, 6, 1, 5, 0, 0, 123456)


def fill(engine: sa.Engine, count: int) -> None:
    with writing(engine) as connection:
        append_audit(connection, [AuditEntry("touches_marked", f"b{n}", {"n": n}) for n in range(count)], at=NOW)


def thaw(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("alter table audit disable trigger all")
    else:
        connection.exec_driver_sql("drop trigger keep_audit_from_update")
        connection.exec_driver_sql("drop trigger keep_audit_from_delete")


def test_an_untouched_chain_is_whole(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        assert verify_chain(connection).is_whole
        assert read_head(connection) == (0, GENESIS)
    fill(engine, 5)
    fill(engine, 4)
    with reading(engine) as connection:
        verdict = verify_chain(connection)
        assert verdict.is_whole
        assert (verdict.rows, verdict.head) == (9, read_head(connection)[1])


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("update audit set payload = '{\"n\":7}' where seq = 3", 3),
        ("update audit set subject = 'b9' where seq = 6", 6),
        ("update audit set at = '2026-06-01 05:00:00.123457' where seq = 2", 2),
        ("update audit set hash = '0' where seq = 4", 4),
        ("delete from audit where seq = 5", 6),
        ("delete from audit where seq = 1", 2),
        ("delete from audit where seq >= 8", None),
        ("update audit set seq = 99 where seq = 3; update audit set seq = 3 where seq = 4;"
         " update audit set seq = 4 where seq = 99", 3),
    ],
)  # fmt: skip
def test_every_change_of_a_row_is_found(engine: sa.Engine, change: str, broken_at: int | None) -> None:
    fill(engine, 9)
    with engine.connect() as connection:
        thaw(connection)
        for statement in change.split(";"):
            connection.exec_driver_sql(statement)
        verdict = verify_chain(connection)
        connection.rollback()  # and the triggers are back
    assert not verdict.is_whole
    assert verdict.broken_at == broken_at


def test_concurrent_writers_form_one_chain(url: str, engine: sa.Engine) -> None:
    barrier = threading.Barrier(4)

    def work() -> None:
        own = make_engine(url)
        barrier.wait()
        for _ in range(5):
            fill(own, 3)
        own.dispose()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        verdict = verify_chain(connection)
    assert verdict.is_whole
    assert verdict.rows == 60


@pytest.mark.parametrize("verb", ["update {} set {} = {}", "delete from {}"])
@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("suppressions", {"suppression_id": "s", "address_hash": "h", "sender_id": "main", "channel": "all",
                          "reason": "opt_out", "source": "test", "since": NOW, "recorded_at": NOW}),
        ("permission_events", {"event_id": "e", "sender_id": "main", "channel": "sms", "stance": "allowed",
                               "basis": "written_consent", "source": "test", "recorded_at": NOW}),
    ],
)  # fmt: skip
def test_what_is_append_only_cannot_be_changed(
    engine: sa.Engine, table: str, values: dict[str, object], verb: str
) -> None:
    from recovery.ledger.schema import metadata

    with writing(engine) as connection:
        connection.execute(sa.insert(metadata.tables[table]).values(**values))
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), writing(engine) as connection:
        connection.exec_driver_sql(verb.format(table, "source", "'x'"))
