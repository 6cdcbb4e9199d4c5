"""A large ledger on both databases: what a claim and an opt-out cost."""

from __future__ import annotations

import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from bench.delivery_world import link_of, make_touch
from bench.rows import Origin, Row, make_row
from recovery.delivery.claim import claim_group
from recovery.ledger import CONTENTS_SCHEMA, TOUCHES_SCHEMA, open_ledger
from recovery.ledger import schema as tables
from recovery.ledger.bulk import insert_rows
from recovery.ledger.engine import make_engine, writing

_CLAIMS: Final = 40
_MOST_MS: Final = 10.0
_PAGE: Final = 250_000
_BATCHES: Final = 50
_ADMIN: Final = os.environ.get("RECOVERY_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


def fill(url: str, touches: int, *, contents: int = 0) -> None:
    """Approved touches in fifty batches (half of them already sent), with the words of the first ones."""
    with open_ledger(url) as ledger:
        engine = ledger.engine
    now = datetime.now(UTC).replace(tzinfo=None)
    _batches(engine, touches, now)
    for start in range(0, touches, _PAGE):
        with writing(engine) as connection:
            insert_rows(
                connection, table="touches", rows=_rows(start, min(_PAGE, touches - start), now), skip_existing=False
            )
    if contents:
        with writing(engine) as connection:
            insert_rows(connection, table="contents", rows=_words(contents, now), skip_existing=False)
            connection.execute(
                sa.update(tables.touches)
                .where(tables.touches.c.touch_id == sa.bindparam("key"))
                .values(content_sha256=sa.bindparam("hash")),
                [{"key": f"t{n:07d}-1", "hash": make_touch(n).draft.content_sha256} for n in range(contents)],
            )
    with engine.connect() as connection:
        connection.exec_driver_sql("analyze")
        connection.commit()
    engine.dispose()


def _batches(engine: sa.Engine, touches: int, now: datetime) -> None:
    rows = [
        {
            "batch_id": f"b{n:02d}", "sha256": "0", "as_of_date": date(2026, 1, 1) + timedelta(days=n),
            "sender_id": "main", "state": "running" if n % 2 == 0 else "finished",
            "planned": touches // _BATCHES, "held_out": 0, "path": "", "created_at": now, "canary_passed_at": now,
        }
        for n in range(_BATCHES)
    ]  # fmt: skip
    with writing(engine) as connection:
        connection.execute(sa.insert(tables.batches), rows)


def _rows(start: int, count: int, now: datetime) -> pa.Table:
    number = pa.array(range(start, start + count), pa.int64())
    text = pc.cast(number, pa.string())
    padded = pc.utf8_lpad(text, 7, "0")
    batch = pc.subtract(number, pc.multiply(pc.divide(number, _BATCHES), _BATCHES))
    is_open = pc.equal(pc.subtract(batch, pc.multiply(pc.divide(batch, 2), 2)), 0)

    def same(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), count)

    columns = {
        "touch_id": pc.binary_join_element_wise("t", padded, "-1", ""),
        "batch_id": pc.binary_join_element_wise("b", pc.utf8_lpad(pc.cast(batch, pa.string()), 2, "0"), ""),
        "person_id": pc.binary_join_element_wise("person-", padded, ""),
        "account_id": same(None, pa.string()),
        "sender_id": same("main", pa.string()),
        "channel": same("email", pa.string()),
        "playbook": same("b2b@1", pa.string()),
        "step": same(1, pa.int32()),
        "cycle": same(1, pa.int32()),
        "rank": pc.cast(number, pa.int32()),
        "address_hash": pc.binary_join_element_wise("00000000:", padded, ""),
        "content_sha256": same("0" * 64, pa.string()),
        "idempotency_key": pc.binary_join_element_wise("t", padded, "-1", ""),
        "sink": same("smtp", pa.string()),
        "state": pc.if_else(is_open, "approved", "sent"),
        "reason": same("", pa.string()),
        "not_before": same(now - timedelta(days=1), pa.timestamp("us")),
        "expires_at": same(now + timedelta(days=1), pa.timestamp("us")),
        "retry_budget": same(5, pa.int32()),
        "settled_at": same(None, pa.timestamp("us")),
    }
    return pa.table({name: columns[name] for name in TOUCHES_SCHEMA.names}, schema=TOUCHES_SCHEMA)


def _words(count: int, now: datetime) -> pa.Table:
    rows = [
        {
            "kind": "touch", "ref_id": touch.touch_id, "person_id": touch.person_id, "address": touch.draft.to_address,
            "subject": touch.draft.subject, "text": touch.draft.text, "html": touch.draft.html,
            "extra": json.dumps({"unsubscribe_url": link_of(touch.touch_id)}), "created_at": now,
        }
        for touch in map(make_touch, range(count))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=CONTENTS_SCHEMA)


def measure(url: str) -> tuple[float, float]:
    """Median milliseconds of a claim of 50, and of an opt-out that also takes the person's queued touches out."""
    engine = make_engine(url, connections=1)
    now = datetime.now(UTC).replace(tzinfo=None)
    claims, opt_outs = [], []
    for number in range(_CLAIMS):
        started = time.perf_counter()
        claim = claim_group(
            engine, sink="smtp", batch_id=f"b{2 * (number % 25):02d}", now=now, lease=timedelta(minutes=5)
        )
        claims.append(1_000 * (time.perf_counter() - started))
        if len(claim.touches) != 50:
            raise RuntimeError("a claim came back short")
        started = time.perf_counter()
        opt_out(engine, f"00000000:{100_000 + 50 * number:07d}", now)
        opt_outs.append(1_000 * (time.perf_counter() - started))
    engine.dispose()
    return median(claims), median(opt_outs)


def opt_out(engine: sa.Engine, address_hash: str, now: datetime) -> None:
    """One durable opt-out, and the open touches of the address are skipped at once."""
    touch = tables.touches
    with writing(engine) as connection:
        row = {
            "suppression_id": uuid.uuid4().hex, "address_hash": address_hash, "sender_id": "main", "channel": "all",
            "reason": "opt_out", "source": "bench", "since": now, "recorded_at": now,
        }  # fmt: skip
        connection.execute(sa.insert(tables.suppressions).values(**row))
        connection.execute(
            sa.update(touch)
            .where(
                touch.c.address_hash == address_hash,
                touch.c.state.in_([sa.literal_column("'planned'"), sa.literal_column("'approved'")]),
            )
            .values(state="skipped", reason="opted_out", settled_at=now)
        )


@contextmanager
def _postgres() -> Iterator[str | None]:
    name = f"bench_{uuid.uuid4().hex}"
    admin = sa.create_engine(_ADMIN, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"create database {name}")
    except sa.exc.OperationalError:
        yield None
        return
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"drop database {name} with (force)")


def ledger_figures(origin_: Origin, *, touches: int) -> list[Row]:
    """Rows for both databases; PostgreSQL is left out where there is none."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, _postgres() as postgres:
        for name, url in (("SQLite", f"sqlite:///{Path(folder) / 'ledger.sqlite'}"), ("PostgreSQL", postgres)):
            if url is None:
                continue
            fill(url, touches)
            claim, leave = measure(url)
            for what, value in (("claim of 50", claim), ("opt-out", leave)):
                rows.append(make_row(origin_, f"{what}, {touches:,} touches, {name}", [value], "ms", target=_MOST_MS))
    return rows
