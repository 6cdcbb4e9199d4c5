"""How a batch is received, and the figures at which it stops by itself (N2).

Counters stand in `ledger_facts` and grow with every mark, so that judging costs the same at any size of the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from contracts.words import Channel
from recovery.delivery.words import Settlement, TouchState
from recovery.ledger.plain import run, run_many

if TYPE_CHECKING:
    from recovery.delivery.claim import Claim

_DAYS: Final = 7
_ADD: Final = (
    "insert into ledger_facts (name, number, value) values (?, ?, '') "
    "on conflict (name) do update set number = ledger_facts.number + excluded.number"
)
_NUMBERS: Final = f"select name, number from ledger_facts where name in ({', '.join('?' * (3 + _DAYS))})"
_EVENTS: Final = """
    select e.kind, t.batch_id, count(distinct t.touch_id)
    from provider_events as e
    left join ledger_facts as f on e.touch_id is null and f.name = 'addressed/' || e.provider || '/' || e.event_id
    inner join touches as t on t.touch_id = coalesce(e.touch_id, f.value)
    where e.kind in ('hard_bounce', 'complaint', 'opt_out') and e.received_at >= ? and t.sender_id = ?
        and t.channel = ?
    group by e.kind, t.batch_id
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Figures of compliance.md, section 3, and of T-15.

    Attributes:
        least_tried: fewer tries say nothing about bounces, opt-outs and errors (M-14).
        hard_bounce_share: more than this share of the batch stops it (M-14).
        complaints: so many in seven days stop everything of that channel (M-03).
        complaint_share: or this share of at least `complaint_least` in seven days (M-03, Gmail's limit).
        complaint_warn_share: worth a warning (M-03).
        sms_opt_out_share: opt-outs of a batch of texts (T-15).
        sms_error_share: errors of a batch of texts (T-15).
    """

    least_tried: int = 200
    hard_bounce_share: float = 0.02
    complaints: int = 3
    complaint_share: float = 0.003
    complaint_least: int = 1_000
    complaint_warn_share: float = 0.001
    sms_opt_out_share: float = 0.01
    sms_error_share: float = 0.05


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one batch, and of its channel in the last seven days.

    Attributes:
        tried: touches of the batch that the far end took, refused or may have taken.
        hard_bounces: refusals of the address at once, and bounces that came later.
        errors: refusals and unclear answers.
        opt_outs: people who left because of the batch.
        week_sent: sent through the channel in seven days.
        week_complaints: complaints about the channel in seven days.
    """

    tried: int = 0
    hard_bounces: int = 0
    errors: int = 0
    opt_outs: int = 0
    week_sent: int = 0
    week_complaints: int = 0


def judge(figures: Figures, channel: Channel, limits: Limits) -> str | None:
    """Why the batch must stop, in words, or None."""
    tried = figures.tried
    if figures.week_complaints >= limits.complaints:
        return f"{figures.week_complaints} complaints in seven days (limit {limits.complaints})"
    if (
        figures.week_sent >= limits.complaint_least
        and figures.week_complaints >= limits.complaint_share * figures.week_sent
    ):
        return f"complaints are {figures.week_complaints / figures.week_sent:.2%} of a week's {channel.value}"
    if tried < limits.least_tried:
        return None
    if figures.hard_bounces > limits.hard_bounce_share * tried:
        return f"{figures.hard_bounces} of {tried} bounced for good (limit {limits.hard_bounce_share:.0%})"
    if channel is Channel.SMS and figures.opt_outs >= limits.sms_opt_out_share * tried:
        return f"{figures.opt_outs} of {tried} opted out (limit {limits.sms_opt_out_share:.0%})"
    if channel is Channel.SMS and figures.errors >= limits.sms_error_share * tried:
        return f"{figures.errors} of {tried} texts failed (limit {limits.sms_error_share:.0%})"
    return None


def warn(figures: Figures, channel: Channel, limits: Limits) -> str | None:
    """That complaints come near the limit (M-03), in words, or None."""
    sent, complaints = figures.week_sent, figures.week_complaints
    if complaints == 0 or complaints < limits.complaint_warn_share * sent:
        return None
    plural = "" if complaints == 1 else "s"
    return (
        f"{complaints:,} complaint{plural} about {sent:,} {channel.value} touches in seven days; keep them below "
        f"{limits.complaint_warn_share:.2%}. At {limits.complaints}, or {limits.complaint_share:.2%}, batches stop."
    )


def add_figures(connection: sa.Connection, claim: Claim, settlements: Sequence[Settlement], *, now: datetime) -> None:
    """Count a group's outcomes, in the transaction that marks it."""
    known = {touch.touch_id: touch for touch in claim.touches}
    added: Counter[str] = Counter()
    for settlement in settlements:
        if settlement.attempt in ("", "passing", "render_failed"):
            continue
        touch = known[settlement.touch_id]
        batch = f"batch/{claim.batch_id}/{touch.channel.value}"
        added[f"{batch}/tried"] += 1
        if settlement.state is TouchState.SENT:
            added[f"week/{touch.sender_id}/{touch.channel.value}/{now.date()}"] += 1
        else:
            added[f"{batch}/errors"] += 1
        if settlement.suppresses:
            added[f"{batch}/hard_bounces"] += 1
    run_many(connection, _ADD, sorted(added.items()))


def read_figures(
    connection: sa.Connection, *, batch_id: str, sender_id: str, channel: Channel, now: datetime
) -> Figures:
    """Figures of a batch's channel at `now` (naive UTC).

    Events that name an address alone count once `recovery.delivery.addressed.attribute` has found their touch.
    """
    batch = f"batch/{batch_id}/{channel.value}"
    days = [f"week/{sender_id}/{channel.value}/{(now - timedelta(days=n)).date()}" for n in range(_DAYS)]
    names = [f"{batch}/{kind}" for kind in ("tried", "errors", "hard_bounces")]
    numbers = {row[0]: int(row[1]) for row in run(connection, _NUMBERS, (*names, *days))}
    found = run(connection, _EVENTS, (now - timedelta(days=_DAYS), sender_id, channel.value))
    events = {(row[0], row[1]): int(row[2]) for row in found}
    return Figures(
        tried=numbers.get(names[0], 0),
        errors=numbers.get(names[1], 0),
        hard_bounces=numbers.get(names[2], 0) + events.get(("hard_bounce", batch_id), 0),
        opt_outs=events.get(("opt_out", batch_id), 0),
        week_sent=sum(numbers.get(day, 0) for day in days),
        week_complaints=sum(count for (kind, _), count in events.items() if kind == "complaint"),
    )
