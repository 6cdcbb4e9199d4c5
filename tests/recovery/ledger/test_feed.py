"""What the warehouse reads from the ledger, on both databases."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from contracts.words import Channel
from recovery.inbound.events import EventKind, FeedbackEvent
from recovery.ledger import Ledger
from recovery.ledger.feed import EVENTS_SCHEMA, SENT_SCHEMA, read_contacts, read_events, read_sent
from tests.pipelines.features.sent_world import send, tell

DAY = date(2026, 5, 4)
AT = datetime(2026, 5, 4, 9, 30, 0, 250_000)
EVER = datetime(2030, 1, 1)


def test_an_empty_ledger_gives_empty_tables(ledger: Ledger) -> None:
    assert read_sent(ledger.engine, before=EVER).schema == SENT_SCHEMA
    assert read_events(ledger.engine, before=EVER).schema == EVENTS_SCHEMA


def test_what_left_counts_from_its_receipt_and_not_a_moment_earlier(ledger: Ledger) -> None:
    send(ledger, [("b", "p2", AT), ("a", "p1", AT + timedelta(hours=1))], day=DAY)
    assert read_sent(ledger.engine, before=EVER)["touch_id"].to_pylist() == ["a", "b"]
    rows = read_sent(ledger.engine, before=AT + timedelta(microseconds=1)).to_pylist()
    assert [(row["touch_id"], row["sent_at"], row["recorded_at"]) for row in rows] == [("b", AT, AT)]
    assert read_sent(ledger.engine, before=AT).num_rows == 0


def test_files_for_people_failures_and_open_questions_did_not_leave(ledger: Ledger) -> None:
    send(ledger, [("a", "p1", AT)], day=DAY, sink="outbox", attempt="")
    send(ledger, [("b", "p2", AT)], day=DAY, sink="file", channel="sms")
    send(ledger, [("c", "p3", AT)], day=DAY, sink="webhook", state="failed", attempt="refused")
    send(ledger, [("d", "p4", AT)], day=DAY, sink="smtp", state="unknown", attempt="unknown")
    assert read_sent(ledger.engine, before=EVER).num_rows == 0


def test_what_is_found_out_later_counts_from_then_and_is_dated_to_the_try(ledger: Ledger) -> None:
    send(ledger, [("a", "p1", AT)], day=DAY, state="unknown", attempt="unknown")
    found = AT + timedelta(days=2)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(f"update touches set state = 'sent', settled_at = '{found}'")
    row = read_sent(ledger.engine, before=EVER).to_pylist()[0]
    assert (row["sent_at"], row["recorded_at"]) == (AT, found)


def test_an_answer_without_a_touch_is_of_whoever_was_last_written_to_there(ledger: Ledger) -> None:
    send(ledger, [("a", "p1", AT)], day=DAY)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("update touches set address_hash = 'k:info@x.example'")
    came = AT + timedelta(hours=1)
    said = [
        FeedbackEvent("mail", name, EventKind.REPLY, came, address=address, channel=Channel.EMAIL)
        for name, address in (("m1", "info@x.example"), ("m2", "nobody@x.example"))
    ]
    tell(ledger, *said, now=came)
    send(ledger, [("b", "p2", AT + timedelta(days=1))], day=DAY + timedelta(days=1))
    with ledger.engine.begin() as connection:  # later somebody else is written to at that address
        connection.exec_driver_sql("update touches set address_hash = 'k:info@x.example'")
    rows = read_events(ledger.engine, before=EVER).to_pylist()
    assert [(row["event_id"], row["person_id"], row["channel"]) for row in rows] == [
        ("m1", "p1", "email"),
        ("m2", None, None),
    ]
    assert read_events(ledger.engine, before=came).num_rows == 0


def test_contacts_of_earlier_batches_as_they_stood_at_a_moment(ledger: Ledger) -> None:
    send(ledger, [("made", "p1", AT)], day=DAY)
    send(ledger, [("open", "p2", AT)], day=DAY, sink="webhook", state="approved", attempt="")
    send(ledger, [("held", "p3", AT)], day=DAY, sink="outbox", state="skipped", attempt="")
    send(ledger, [("refused", "p4", AT)], day=DAY, sink="file", state="skipped", attempt="")
    send(ledger, [("today", "p5", AT)], day=DAY + timedelta(days=1), channel="call")
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("update touches set reason = 'held_out' where touch_id = 'held'")
        connection.exec_driver_sql("update touches set settled_at = null where touch_id = 'open'")
    opens, day = datetime(2026, 5, 4, 8), DAY + timedelta(days=1)

    def at(moment: datetime, since: datetime = datetime(2026, 5, 1)) -> dict[str, datetime]:
        rows = read_contacts(ledger.engine, as_of=day, before=moment, since=since).to_pylist()
        return {row["touch_id"]: row["at"] for row in rows}

    evening = AT + timedelta(hours=5)
    assert at(evening) == {"made": AT, "open": opens, "held": opens}
    assert at(AT) == {"made": opens, "open": opens, "held": opens, "refused": opens}  # nothing was settled yet
    assert at(AT + timedelta(days=1)) == {"made": AT, "held": opens}  # its window is over
    assert at(evening, since=AT) == {"made": AT}
