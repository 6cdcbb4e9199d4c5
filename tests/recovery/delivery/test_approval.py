"""Nothing leaves without an approval, an approval holds for one content only, and a sample says what it proves."""

from __future__ import annotations

from datetime import timedelta
from math import comb

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bench.delivery_world import NOON, make_touch, record
from contracts.errors import PermanentError
from contracts.words import Channel
from recovery.batch import Batch
from recovery.delivery.approval import (
    Sample,
    Thresholds,
    approve,
    draw_sample,
    passes_by_itself,
    read_messages,
    verify_content,
)
from recovery.delivery.claim import claim_group
from recovery.delivery.control import cancel_batch
from recovery.delivery.counts import count_batch, count_waiting
from recovery.delivery.exposure import exposure
from recovery.delivery.words import TouchState
from recovery.ledger import BatchState, Ledger
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import reading, writing
from recovery.ledger.schema import metadata

TABLES = metadata.tables
THRESHOLDS = Thresholds(touches=100, cost=50.0, exposure={"USD": 1_000.0, "CAD": 5.0})


def recorded(ledger: Ledger, count: int = 12) -> Batch:
    return record(ledger, [make_touch(n, arm="held_out" if n == 0 else "contacted") for n in range(count)])


def say_yes(engine: sa.Engine, batch: Batch, **options: object) -> None:
    options = {"sha256": batch.sha256, "by": "ann", "method": "whole", "now": NOON} | options
    approve(engine, batch.batch_id, **options)  # type: ignore[arg-type]


def is_open_to_workers(engine: sa.Engine, batch: Batch) -> bool:
    lease = timedelta(minutes=5)
    return bool(claim_group(engine, sink="test", batch_id=batch.batch_id, now=NOON, lease=lease).touches)


def test_an_approval_opens_the_batch_and_is_written_down(ledger: Ledger, engine: sa.Engine) -> None:
    batch = recorded(ledger)
    assert not is_open_to_workers(engine, batch)
    assert count_waiting(engine, now=NOON) == ()
    say_yes(engine, batch, sha256=batch.sha256[:16].upper())
    (row,) = count_waiting(engine, now=NOON, batch_id=batch.batch_id)
    assert (row.channel, row.sink, row.due, row.later, row.opens) == ("email", "test", 11, 0, None)
    (row,) = count_waiting(engine, now=NOON - timedelta(hours=3))
    assert (row.due, row.later, row.opens) == (0, 11, NOON - timedelta(hours=1))
    assert is_open_to_workers(engine, batch)
    with reading(engine) as connection:
        (kept,) = connection.execute(sa.select(TABLES["approvals"])).all()
        assert verify_chain(connection).is_whole
    assert (kept.sha256, kept.decision, kept.method, kept.decided_by) == (batch.sha256, "approved", "whole", "ann")
    assert count_batch(engine, batch.batch_id).by_state == {
        (TouchState.SKIPPED, "held_out"): 1,
        (TouchState.CLAIMED, ""): 11,
    }


def test_another_hash_than_that_of_the_batch_opens_nothing(ledger: Ledger, engine: sa.Engine) -> None:
    batch = recorded(ledger)
    other = "e" if batch.sha256[16] == "f" else "f"
    for wrong in ("", "0" * 64, "short", batch.sha256[:15], batch.sha256[:16] + other, "x" + batch.sha256[1:]):
        with pytest.raises(PermanentError, match="not the one that was looked at"):
            say_yes(engine, batch, sha256=wrong)
    assert not is_open_to_workers(engine, batch)


def test_a_batch_is_approved_once_and_a_cancelled_one_never(ledger: Ledger, engine: sa.Engine) -> None:
    batch = recorded(ledger)
    say_yes(engine, batch)
    with pytest.raises(PermanentError, match="approved and does not wait"):
        say_yes(engine, batch)
    cancel_batch(engine, batch.batch_id, reason="no", now=NOON)
    with pytest.raises(PermanentError, match="rejected and does not wait"):
        say_yes(engine, batch)
    with pytest.raises(PermanentError, match="does not wait"):
        draw_sample(engine, batch.batch_id, 3)
    assert not is_open_to_workers(engine, batch)


def test_an_unknown_batch_is_told(engine: sa.Engine) -> None:
    for ask in (lambda: verify_content(engine, "nope"), lambda: draw_sample(engine, "nope", 3)):
        with pytest.raises(PermanentError, match="no such batch"):
            ask()


# Every field of a batch that somebody could change from outside, with another value of its kind.
CHANGES = [
    *(("batches", name, "other") for name in ("policy_version", "model", "rules", "sender_id")),
    ("batches", "as_of_date", "2026-06-02"),
    *(("assignments", name, "other") for name in ("arm", "content_sha256", "person_id", "playbook", "sender_id")),
    ("assignments", "channel", "sms"),
    ("assignments", "propensity", 0.25),
    ("assignments", "rank", 99),
    ("assignments", "step", 2),
    ("assignments", "not_before", "2026-05-31 12:00:00.000000"),
    ("assignments", "expires_at", "2027-06-01 12:00:00.000000"),
    *(("touches", name, "other") for name in ("content_sha256", "person_id", "playbook", "sender_id")),
    ("touches", "channel", "sms"),
    ("touches", "cycle", 2),
    ("touches", "not_before", "2026-05-31 12:00:00.000000"),
    ("touches", "expires_at", "2027-06-01 12:00:00.000000"),
]


def test_any_change_is_refused_at_apply(ledger: Ledger, engine: sa.Engine) -> None:
    batch = recorded(ledger)
    say_yes(engine, batch)
    keys = {"batches": "batch_id", "assignments": "assignment_id", "touches": "touch_id"}
    for table, column, value in CHANGES:
        where = f"from {table} where {keys[table]} = :name"
        name = {"name": batch.batch_id if table == "batches" else "t0000003-1"}
        change = sa.text(f"update {table} set {column} = :value where {keys[table]} = :name")
        with writing(engine) as connection:
            before = connection.execute(sa.text(f"select {column} {where}"), name).scalar_one()
            connection.execute(change, {"value": value, **name})
        with pytest.raises(PermanentError, match="changed since the batch was made"):
            verify_content(engine, batch.batch_id)
        with writing(engine) as connection:
            connection.execute(change, {"value": before, **name})
    assert verify_content(engine, batch.batch_id).sha256 == batch.sha256


@pytest.mark.parametrize("kind", ["missing", "smuggled", "released", "other words"])
def test_a_batch_that_changed_is_not_approved(ledger: Ledger, engine: sa.Engine, kind: str) -> None:
    batch, touches = recorded(ledger), TABLES["touches"]
    with writing(engine) as connection:
        third = touches.c.touch_id == "t0000003-1"
        if kind == "missing":
            connection.execute(sa.delete(touches).where(third))
        elif kind == "smuggled":
            row = connection.execute(sa.select(touches).where(third)).one()
            extra = {**row._mapping, "touch_id": "extra", "idempotency_key": "extra", "person_id": "somebody"}
            connection.execute(sa.insert(touches).values(**extra))
        elif kind == "released":  # a held-out one
            held = touches.c.touch_id == "t0000000-1"
            connection.execute(sa.update(touches).where(held).values(state="approved", reason=""))
        else:
            connection.execute(sa.update(TABLES["assignments"]).values(content_sha256="0" * 64))
            connection.execute(sa.update(touches).values(content_sha256="0" * 64))
    with pytest.raises(PermanentError, match="changed since the batch was made"):
        say_yes(engine, batch)
    with reading(engine) as connection:
        state = sa.select(TABLES["batches"].c.state).where(TABLES["batches"].c.batch_id == batch.batch_id)
        assert connection.execute(state).scalar_one() == BatchState.RECORDED.value


@pytest.mark.parametrize(("rules", "model"), [("new rules", ""), ("", "new model")])
def test_other_rules_or_another_model_refuse(ledger: Ledger, engine: sa.Engine, rules: str, model: str) -> None:
    batch = recorded(ledger)
    assert verify_content(engine, batch.batch_id, rules="r", model="m").state is BatchState.RECORDED
    with pytest.raises(PermanentError, match=f"The {'rules' if rules else 'model'} changed"):
        say_yes(engine, batch, rules=rules, model=model)
    assert not is_open_to_workers(engine, batch)


@given(
    st.integers(0, 200),
    st.floats(0, 100),
    st.dictionaries(st.sampled_from(["USD", "CAD", "EUR", "XXX"]), st.floats(0, 2_000)),
)
def test_only_a_batch_below_every_threshold_passes_by_itself(
    touches: int, cost: float, exposed: dict[str, float]
) -> None:
    why = passes_by_itself(THRESHOLDS, touches=touches, cost=cost, exposure=exposed)
    is_low = exposed.get("USD", 0) <= 1_000 and exposed.get("CAD", 0) <= 5 and not {"EUR", "XXX"} & set(exposed)
    assert (why is None) == (touches <= 100 and cost <= 50 and is_low)


def test_zero_thresholds_leave_everything_to_humans() -> None:
    nothing = Thresholds(touches=0, cost=0.0, exposure={})
    assert passes_by_itself(nothing, touches=1, cost=0.0, exposure={}) == "touches 1 above 0"


@given(st.integers(1, 120), st.data())
def test_the_bound_of_a_sample_is_the_exact_binomial_one(size: int, data: st.DataObject) -> None:
    """Clopper and Pearson: at the bound, so few defects have a probability of just five per cent."""
    defects = data.draw(st.integers(0, size))
    bound = Sample(size, defects).bound()
    if defects == size:
        assert bound == 1.0
        return
    tail = sum(comb(size, k) * bound**k * (1 - bound) ** (size - k) for k in range(defects + 1))
    assert tail == pytest.approx(0.05, abs=1e-9)
    assert bound > defects / size


def test_59_clean_messages_prove_five_per_cent_and_58_do_not() -> None:
    assert Sample(59, 0).bound() <= 0.05 < Sample(58, 0).bound()


@pytest.mark.parametrize(("size", "defects"), [(0, 0), (10, 11), (10, -1)])
def test_an_impossible_sample_is_told(size: int, defects: int) -> None:
    with pytest.raises(PermanentError, match="at least one message"):
        Sample(size, defects).bound()


def test_a_sample_approves_only_what_it_proves(ledger: Ledger, engine: sa.Engine) -> None:
    batch = recorded(ledger, 80)
    for sample, words in ((Sample(59, 1), "may be defective"), (Sample(80, 0), "cannot come from 79")):
        with pytest.raises(PermanentError, match=words):
            say_yes(engine, batch, method="sample", sample=sample)
    assert not is_open_to_workers(engine, batch)
    say_yes(engine, batch, method="sample", sample=Sample(59, 0))
    with reading(engine) as connection:
        row = connection.execute(sa.select(TABLES["approvals"])).one()
    assert (row.method, row.sample_size, row.sample_defects) == ("sample", 59, 0)
    assert row.defect_bound == pytest.approx(Sample(59, 0).bound())


def test_the_sample_is_drawn_by_the_hash_and_shows_each_message_once(ledger: Ledger, engine: sa.Engine) -> None:
    batch = recorded(ledger, 40)
    drawn = draw_sample(engine, batch.batch_id, 10)
    assert drawn == draw_sample(engine, batch.batch_id, 10) == draw_sample(engine, batch.batch_id, 40)[:10]
    assert len(set(drawn)) == 10
    assert "t0000000-1" not in draw_sample(engine, batch.batch_id, 40), "held out"
    messages = read_messages(engine, drawn)
    assert [message.touch_id for message in messages] == list(drawn)
    for message in messages:
        assert f"canary-{message.touch_id[1:8]}" in message.text
        assert "canary" not in repr(message)


def test_worst_case_exposure_counts_each_law_once_per_message() -> None:
    lines = exposure(
        {
            ("US", Channel.EMAIL): 1_000, ("US", Channel.SMS): 2, ("US", Channel.CALL): 3, ("CA", Channel.EMAIL): 2,
            ("GB", Channel.EMAIL): 5, ("DE", Channel.EMAIL): 4, ("FR", Channel.EMAIL): 1, (None, Channel.EMAIL): 9,
            ("US", Channel.CRM_TASK): 50, ("AU", Channel.EMAIL): 7,
            ("CA", Channel.CALL): 2, ("AU", Channel.CALL): 3, ("BR", Channel.EMAIL): 1,
        }
    )  # fmt: skip
    found = {line.law.partition(",")[0].partition(" ")[0]: line for line in lines}
    assert (found["CAN-SPAM"].messages, found["CAN-SPAM"].amount) == (1_000, 53_088_000)  # C-11
    assert (found["TCPA"].messages, found["TCPA"].amount) == (5, 7_500)  # T-13
    assert (found["CASL"].amount, found["CASL"].currency) == (20_000_000, "CAD")  # K-03
    assert (found["PECR"].amount, found["PECR"].currency, found["PECR"].is_cap) == (17_500_000, "GBP", True)  # G-09
    assert (found["GDPR"].messages, found["GDPR"].amount) == (5, 20_000_000)
    assert (found["Spam"].messages, found["Spam"].amount, found["Spam"].currency) == (7, 3_300_000, "AUD")
    assert (found["Canadian"].messages, found["Canadian"].amount) == (2, 30_000)
    assert (found["Do"].messages, found["Do"].amount, found["Do"].is_cap) == (3, 3_300_000, True)
    assert (found["no"].messages, found["no"].currency) == (10, "XXX"), "Brazil, and a country that nobody knows"
    assert lines[0].law.startswith("CAN-SPAM"), "most messages first"


def test_nothing_to_send_exposes_to_nothing() -> None:
    assert exposure({}) == ()
