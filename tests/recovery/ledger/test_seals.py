"""No statement about permission is changed, dropped or slipped in unseen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from alembic import command

from recovery.ledger import schema as tables
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import alembic_config, make_engine, migrate, reading, writing
from recovery.ledger.seals import SEALED, insert_sealed_rows, verify_seals
from recovery.permission.book import Entry, record_import, record_words
from recovery.permission.facts import Stance

NOW = datetime(2026, 6, 1, 5, 0, 0, 123456)


def fill(engine: sa.Engine) -> None:
    def said(number: int, stance: Stance, **more: Any) -> Entry:
        return Entry("email", stance, "express_consent", "form", address_hash=f"h{number}", **more)

    with writing(engine) as connection:
        record_words(
            connection, [said(n, Stance.ALLOWED, since=NOW, is_optout_offered=True) for n in range(3)], now=NOW
        )
        record_import(connection, [said(n, Stance.REFUSED) for n in range(4)], now=NOW)
        record_import(connection, [said(n, Stance.REFUSED) for n in range(4)], now=NOW)
        bulk = insert_sealed_rows(connection, tables.suppressions, many(range(5)), at=NOW)
        again = insert_sealed_rows(connection, tables.suppressions, many(range(3, 6)), at=NOW)
    assert (bulk, again) == (5, 1)


def many(numbers: range) -> pa.Table:
    return pa.table(
        {
            "suppression_id": [f"bulk{n}" for n in numbers],
            "address_hash": [f"b{n}" for n in numbers],
            "person_id": pa.nulls(len(numbers), pa.string()),
            "sender_id": ["main"] * len(numbers),
            "channel": ["email"] * len(numbers),
            "reason": ["opt_out"] * len(numbers),
            "source": ["crm: column"] * len(numbers),
            "since": pa.array([NOW] * len(numbers), pa.timestamp("us")),
            "recorded_at": pa.array([NOW.replace(microsecond=0)] * len(numbers), pa.timestamp("us")),
        }
    )


def change_frozen(connection: sa.Connection, change: str) -> None:
    is_postgres = connection.dialect.name == "postgresql"
    for table in SEALED:
        if is_postgres:
            connection.exec_driver_sql(f"alter table {table.name} disable trigger all")
        else:
            connection.exec_driver_sql(f"drop trigger keep_{table.name}_from_update")
            connection.exec_driver_sql(f"drop trigger keep_{table.name}_from_delete")
    connection.exec_driver_sql(change)
    for table in SEALED if is_postgres else ():  # other tests use this database too
        connection.exec_driver_sql(f"alter table {table.name} enable trigger all")


def verdicts(engine: sa.Engine) -> dict[str, bool]:
    with reading(engine) as connection:
        assert verify_chain(connection).is_whole
        return {seal.table: seal.is_whole for seal in verify_seals(connection)}


def test_what_was_written_is_what_stands(engine: sa.Engine) -> None:
    assert verdicts(engine) == {"permission_events": True, "suppressions": True}
    fill(engine)
    assert verdicts(engine) == {"permission_events": True, "suppressions": True}
    with reading(engine) as connection:
        assert [(seal.rows, seal.sealed) for seal in verify_seals(connection)] == [(3, 3), (10, 10)]


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("update permission_events set stance = 'refused' where address_hash = 'h1'", "permission_events"),
        ("update permission_events set since = '2026-06-01 05:00:00.123457' where address_hash = 'h1'",
         "permission_events"),
        ("delete from suppressions where suppression_id = 'bulk2'", "suppressions"),
        ("update suppressions set address_hash = 'b9' where suppression_id = 'bulk1'", "suppressions"),
        ("insert into suppressions (suppression_id, address_hash, sender_id, channel, reason, source, since, "
         "recorded_at) values ('x', 'h', 'main', 'email', 'opt_out', 's', '2026-01-01 00:00:00.000000', "
         "'2026-01-01 00:00:00.000000')", "suppressions"),
    ],
)  # fmt: skip
def test_every_change_of_a_statement_is_found(engine: sa.Engine, change: str, table: str) -> None:
    fill(engine)
    with engine.connect() as connection:
        change_frozen(connection, change)
        connection.commit()
    assert [name for name, is_whole in verdicts(engine).items() if not is_whole] == [table]


def test_a_ledger_from_before_the_seals_is_sealed_as_it_stands(bare_url: str) -> None:
    engine = make_engine(bare_url)
    with writing(engine) as connection:
        command.upgrade(alembic_config(connection), "0003")
    row = {
        "suppression_id": "old", "address_hash": "h", "sender_id": "main", "channel": "email", "reason": "opt_out",
        "source": "list", "since": NOW, "recorded_at": NOW,
    }  # fmt: skip
    with writing(engine) as connection:
        connection.execute(sa.insert(tables.suppressions).values(**row))
    assert verdicts(engine) == {"permission_events": True, "suppressions": False}
    migrate(engine)
    assert verdicts(engine) == {"permission_events": True, "suppressions": True}
