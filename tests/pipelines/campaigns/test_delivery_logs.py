"""A plan, a delivery and an answer with every log on: no byte outside the places that hold people names anybody."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent))

from world import DAY, World

from pipelines.campaigns.sending import Sending
from pipelines.resources import Engine
from recovery.delivery.deliver import Order
from recovery.inbound.messages import events_of
from recovery.inbound.record import record_events
from recovery.ledger import ledger_url, open_ledger
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.rights.files import hits
from tests.recovery.sinks.smtp_server import Mailbag, mail_server

HOLDERS = ("landing", "warehouse", "published", "ledger", "outbox", "secrets")


def answer(ledger_engine: sa.Engine, engine: Engine, bag: Mailbag) -> None:
    """An opt-out that quotes the whole mail, as the mailbox command reads it."""
    (to, mail), sent = bag.mails[0], bag.messages()[0]
    head = f"From: {to}\r\nIn-Reply-To: {sent['Message-ID']}\r\nSubject: Re\r\n\r\nStop writing to {to}!\r\n\r\n"
    now = engine.now().replace(tzinfo=None)
    events = events_of(head.encode() + mail, now=now)
    found = record_events(ledger_engine, events, now=now, hash_address=lambda _: "k:0", sender_id="main")
    assert set(found.counts) == {"recorded"}


def test_logs_of_a_plan_a_delivery_and_an_answer_name_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    var = tmp_path / "var"
    with mail_server() as bag, caplog.at_level(logging.DEBUG):
        world.settings = {
            "sinks": {"email": "smtp"}, "smtp_host": "127.0.0.1", "smtp_port": bag.port, "smtp_security": "none",
            "sending_allowed": True, "approve_up_to_touches": 1_000, "approve_up_to_cost": 1e6,
            "approve_up_to_exposure": {"USD": 1e9}, "capacity_call": 0,
        }  # fmt: skip
        world.write()
        assert world.run().success  # through Dagster, whose own logs stand beside ours
        morning = world.engine()
        engine = Engine(root=morning.root, overrides=morning.overrides, fixed_now=f"{DAY}T15:00:00+00:00")
        faults = ["rcpt_5xx", "garbage_after_content", "drop_after_content"]
        chosen = {row["person_id"] for row in world.plan() if row["decision"] == "contacted"}
        mails = sorted(row["email"] for row in world.people if row["person_id"] in chosen)
        bag.faults |= dict(zip(mails, faults, strict=False))
        with Sending(engine) as sending:
            sending.run(Order(patience=timedelta(0)))
        with open_ledger(ledger_url(None, var)) as ledger:
            answer(ledger.engine, engine, bag)
            with reading(ledger.engine) as connection:
                outcomes = set(connection.execute(sa.select(tables.attempts.c.outcome)).scalars())
                kept = str(connection.execute(sa.select(tables.attempts)).fetchall())
                kept += str(connection.execute(sa.select(tables.audit.c.payload)).fetchall())
    assert outcomes >= {"sent", "refused", "unknown"}
    told = capfd.readouterr()
    logged = "\n".join(f"{one.name} {one.getMessage()} {one.exc_text or ''}" for one in caplog.records)
    assert "recovery" in logged or "dagster" in logged + told.err
    (var / "logs").mkdir(exist_ok=True)
    (var / "logs" / "everything.log").write_text(f"{logged}\n{told.out}\n{told.err}\n{kept}")
    words = tuple(
        word for row in world.people
        for word in (row["email"], row["phone_e164"], row["phone_e164"][1:], f"{row['first_name']} {row['last_name']}")
    )  # fmt: skip
    assert [str(path) for path, _ in hits(var, words, skip=tuple(var / name for name in HOLDERS))] == []
    assert list(hits(var / "ledger", words)), "the search finds what is there"
