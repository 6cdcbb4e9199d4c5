"""The warehouse reads the ledger as one more source: what left and what came back, once, from when it was recorded."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from contracts.words import Channel
from pipelines.features.build import FeatureStage
from recovery.identity import person_id_of
from recovery.inbound.events import EventKind, FeedbackEvent
from recovery.inbound.replies import understood
from recovery.ledger import open_ledger
from tests.pipelines.features import raw_world as raw
from tests.pipelines.features.sent_world import send, tell

AS_OF = date(2026, 6, 1)
SNAPSHOT = date(2026, 4, 20)
SENT = datetime(2026, 4, 22, 10)
SCANNER = "Mozilla/5.0 (compatible; Barracuda)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WRITTEN = {  # what the person of this number answered a day after the touch
    1: "Happy to talk. Could you send me a quote?",
    2: "Please unsubscribe me.",
    3: "I am out of the office until Monday.",
    4: "No thanks, not interested.",
    9: "Yes, please call me.",
}


def who(number: int) -> str:
    return person_id_of(f"hs:contacts:{number}")


def fill_ledger(stage: FeatureStage) -> None:
    after = SENT + timedelta(days=1)
    with open_ledger(stage.settings.ledger_sqlalchemy_url) as ledger:
        send(ledger, [(f"t{n}", who(n), SENT) for n in (0, 1, 2, 3, 4, 5, 6, 8, 9, 10)], day=SENT.date())
        send(ledger, [("t7", who(7), SENT)], day=SENT.date(), sink="outbox", attempt="")
        late = datetime(2026, 6, 1)
        send(ledger, [("t11", who(11), late)], day=late.date())
        send(ledger, [("t12", who(12), SENT)], day=SENT.date(), channel="call", sink="webhook")
        # Unclear when it left; a human finds out three days later that it did.
        send(ledger, [("t13", who(13), SENT + timedelta(days=3))], day=SENT.date(), sink="webhook", attempt="")
        for n, text in WRITTEN.items():
            said = FeedbackEvent("mail", f"m{n}", EventKind.REPLY, after, touch_id=f"t{n}", text=text)
            tell(ledger, understood(said, now=after), now=after)
        click = FeedbackEvent("p", "c5", EventKind.CLICK, after, touch_id="t5", user_agent=SCANNER)
        opened = FeedbackEvent("p", "o5", EventKind.OPEN, after, touch_id="t5", user_agent=BROWSER)
        tell(ledger, click, opened, now=after)
        tell(ledger, FeedbackEvent("p", "c6", EventKind.CLICK, after, touch_id="t6", user_agent=BROWSER), now=after)
        tell(ledger, FeedbackEvent("p", "b8", EventKind.HARD_BOUNCE, after, touch_id="t8"), now=after)
        # An answer to nothing in particular, from an address that was written to; and one after the day began.
        address = f"{who(10)}@x.example"
        tell(
            ledger,
            FeedbackEvent("mail", "m10", EventKind.REPLY, after, address=address, channel=Channel.EMAIL),
            now=after,
        )
        tell(ledger, FeedbackEvent("mail", "m0", EventKind.REPLY, after, touch_id="t0"), now=late)


def mail(number: int, name: str, at: datetime, *, by: str = "AUTOMATION", inbound: bool = False) -> dict[str, object]:
    way = {"activity_type": "INCOMING_EMAIL", "direction": "INCOMING_EMAIL", "body": "Yes, please call me."}
    return {"record_id": name, "contact_id": str(number), "source": by, "occurred_at": at, "created_at": at,
            **(way if inbound else {"activity_type": "EMAIL", "direction": "EMAIL", "body": ""})}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> FeatureStage:
    stage = raw.stage(tmp_path_factory.mktemp("sent"), training_weeks=7)
    first = datetime(2025, 10, 1)
    forms = [
        {"record_id": f"f{n}", "contact_id": str(n), "activity_type": "FORM_SUBMISSION", "source": "FORMS",
         "occurred_at": first, "created_at": first, "direction": None, "body": None}
        for n in range(14)
    ]  # fmt: skip
    told = [
        mail(0, "copy0", SENT + timedelta(minutes=40)),  # the CRM dates what it logs for others in its own way
        mail(7, "file7", SENT + timedelta(minutes=40)),  # made by somebody from a file of ours
        mail(9, "copy9", SENT + timedelta(days=1, minutes=1), by="CRM_UI", inbound=True),
        mail(10, "copy10", SENT + timedelta(minutes=2), by="CRM_UI"),  # logged by BCC: the CRM takes it for a rep's
        mail(10, "other10", SENT + timedelta(hours=3)),  # an automation of the CRM's own
    ]
    with stage.warehouse.open() as connection:
        raw.make_raw(connection)
        raw.declare(connection, ("hs", "hubspot"))
        raw.landing(connection, "hubspot__contacts", raw.contacts(14, per_account=1))
        raw.landing(connection, "hubspot__activities", pd.DataFrame([*forms, *told]))
    fill_ledger(stage)
    raw.run(stage, AS_OF)
    return stage


def acts(world: FeatureStage, number: int) -> list[tuple[object, ...]]:
    """Activities of a person after the snapshot, in order of time."""
    return raw.rows_of(
        world,
        "select source, kind, direction, actor, outcome_level, is_inbound from marts.fct_activities "
        "where person_id = ? and occurred_at >= ? order by occurred_at, activity_id",
        [who(number), SNAPSHOT],
    )


OURS = ("ledger", "email", "outbound", "engine", 0, False)


def test_a_touch_that_left_is_one_contact_of_the_engine_whatever_the_crm_logs(world: FeatureStage) -> None:
    assert acts(world, 0) == [OURS]
    assert acts(world, 10)[:2] == [OURS, ("hs", "email", "outbound", "other_automation", 0, False)]
    counts = raw.rows_of(
        world,
        "select source, object, united, dropped_copy, dropped_unknown_record from intermediate.int_activities__counts",
    )
    assert sorted(counts) == [
        ("hs", "activities", 14 + 2, 3, 0), ("ledger", "events", 10, 0, 0), ("ledger", "touches", 12, 0, 0),
    ]  # fmt: skip


def test_a_file_for_people_is_no_contact_until_the_crm_tells_of_it(world: FeatureStage) -> None:
    assert acts(world, 7) == [("hs", "email", "outbound", "engine", 0, False)]


def test_a_call_that_was_handed_over_is_work_and_no_contact(world: FeatureStage) -> None:
    assert acts(world, 12) == [("ledger", "task", "internal", "engine", 0, False)]


def test_an_answer_is_an_act_of_the_person_and_once(world: FeatureStage) -> None:
    answer = ("ledger", "email", "inbound", "person", 2, True)
    assert acts(world, 1) == [OURS, answer]
    assert acts(world, 9) == [OURS, answer]
    assert acts(world, 10)[2:] == [answer]
    cause = raw.rows_of(
        world,
        "select initiative, in_response_to from marts.fct_activities where person_id = ? and is_inbound "
        "and source = 'ledger'", [who(1)],
    )  # fmt: skip
    assert cause == [("caused_by_engine", "t1")]


def test_what_is_no_answer_never_counts(world: FeatureStage) -> None:
    assert acts(world, 2)[1:] == [("ledger", "opt_out", "inbound", "person", 0, False)]
    assert acts(world, 3)[1:] == [("ledger", "email", "inbound", "person", 0, False)]
    assert [row[4] for row in acts(world, 4)] == [0, 0]
    assert sorted(row[1:] for row in acts(world, 5)[1:]) == [
        ("click", "inbound", "machine", 0, False), ("open", "inbound", "person", 0, False),
    ]  # fmt: skip
    assert acts(world, 6)[1:] == [("ledger", "click", "inbound", "person", 1, True)]


def test_labels_see_the_touches_and_what_became_of_them(world: FeatureStage) -> None:
    labels = {
        row[0]: row[1:]
        for row in raw.rows_of(
            world,
            "select person_id, touches_engine_email, touches_automation_email, touches_rep_email, level, "
            "is_reactivated, opened_by, censor_reason from marts.lead_labels where as_of_date = ?",
            [SNAPSHOT],
        )
    }
    assert labels[who(0)] == (1, 0, 0, 0, False, None, None)
    assert labels[who(1)] == (1, 0, 0, 2, True, "engine", None)
    assert labels[who(2)] == (1, 0, 0, None, None, None, "opted_out")
    assert labels[who(3)] == (1, 0, 0, 0, False, None, None)
    assert labels[who(4)][3:] == (None, None, None, "opted_out")  # a refusal: what would have been is not known
    assert labels[who(5)] == (1, 0, 0, 0, False, None, None)
    assert labels[who(6)] == (1, 0, 0, 1, False, None, None)
    assert labels[who(7)] == (1, 0, 0, 0, False, None, None)
    assert labels[who(8)][3:] == (None, None, None, "bounced")
    assert labels[who(10)][:3] == (1, 1, 0)
    assert labels[who(12)][:3] == (0, 0, 0)


def test_a_row_counts_from_when_it_was_recorded(world: FeatureStage) -> None:
    assert acts(world, 11) == []  # it left at 00:00 of the day
    assert acts(world, 0) == [OURS]  # so did an answer come in
    found_out = SENT + timedelta(days=3)
    days = raw.rows_of(
        world,
        "select as_of_date, engine_contacts_last_90d from marts.lead_snapshots where person_id = ? and as_of_date >= ? "
        "order by as_of_date", [who(13), SNAPSHOT],
    )  # fmt: skip
    assert dict(days) == {day: float(day > found_out.date()) for day, _ in days}
    assert len(days) == 7


def test_a_rerun_copies_the_same_rows_whatever_was_recorded_since(world: FeatureStage) -> None:
    tables = ("raw.ledger__touches", "raw.ledger__events")
    before = [raw.rows_of(world, f"select * from {table}") for table in tables]
    world.copy_touches(AS_OF)
    world.copy_events(AS_OF)
    assert [raw.rows_of(world, f"select * from {table}") for table in tables] == before
    assert world.copy_touches(AS_OF + timedelta(days=1)) == len(before[0]) + 1
    assert world.copy_events(AS_OF + timedelta(days=1)) == len(before[1]) + 1
    world.copy_touches(AS_OF)
    world.copy_events(AS_OF)


def test_no_word_and_no_address_reaches_the_warehouse(world: FeatureStage) -> None:
    with world.warehouse.open() as connection:
        text = str(
            [connection.execute(f"select * from raw.ledger__{name}").fetchall() for name in ("touches", "events")]
        )
    assert "@" not in text
    assert "quote" not in text
