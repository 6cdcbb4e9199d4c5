"""Random permission histories against an oracle that knows nothing of the engine's code.

Each history is a person of one to three merged halves with addresses of their own: opt-outs, objections, complaints
and bounces, imports that claim the opposite, consents of the person's own accord, in random order, some recorded late.
At a random second of a year, on the clock of any zone, the engine is asked; the oracle walks through the same history
statement by statement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from bench.rows import Row, make_row, origin
from contracts.times import midnight
from contracts.words import Channel
from recovery.permission import ContactFacts, Fact, PermissionPolicy, Stance, Status, decide, load_rules, merge
from recovery.permission.history import Statement, standing

HISTORIES: Final = 1_000_000
SEED: Final = 20_261
_START: Final = midnight(date(2026, 1, 1)).replace(tzinfo=None)
_YEAR: Final = 365 * 24 * 60
_CHANNELS: Final = (Channel.EMAIL, Channel.SMS, Channel.CALL)
# Reason, and the channels that it closes when it is said about each channel.
_EVERY: Final = frozenset({"email", "sms", "call"})
_PHONES: Final = frozenset({"sms", "call"})
_ZONES: Final = tuple(sorted(available_timezones()))
_HOURS: Final = {"email": (9, 17), "sms": (8, 21), "call": (8, 21)}
_REFUSALS: Final = ("opt_out", "objection", "complaint", "do_not_contact", "hard_bounce")


@dataclass(frozen=True, slots=True)
class Life:
    """One history: what was said about each half's address, the clock of the person, and when they are asked about."""

    halves: tuple[tuple[Statement, ...], ...]
    zone: str
    channel: Channel
    asked_at: datetime


@dataclass
class Tally:
    """What came out."""

    histories: int = 0
    sends: int = 0
    after_opt_out: int = 0
    outside_hours: int = 0
    without_ground: int = 0
    order_matters: int = 0
    loosened: int = 0


def lives(count: int, seed: int = SEED) -> Iterator[Life]:
    """Random histories; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    while count > 0:
        size = min(count, 10_000)
        draws = rng.integers(0, 1 << 30, (size, 64)).tolist()
        yield from (_life(row) for row in draws)
        count -= size


def _life(draws: list[int]) -> Life:
    dice = iter(draws)
    zone = _ZONES[next(dice) % len(_ZONES)]
    channel = _CHANNELS[next(dice) % 3]
    asked = _START + timedelta(minutes=next(dice) % _YEAR, seconds=next(dice) % 60)
    halves = []
    for half in range(1 + next(dice) % 3):
        said = [_consent(f"k{half}", c, -60) for c in _CHANNELS]  # everybody begun with a consent of long ago
        said += [_statement(dice, f"k{half}") for _ in range(next(dice) % 3)]
        halves.append(tuple(said))
    return Life(tuple(halves), zone, channel, asked)


def _consent(key: str, channel: Channel, days: int) -> Statement:
    moment = _START + timedelta(days=days)
    return Statement(
        key, channel.value, Stance.ALLOWED, "written_consent", "form", "form 1", moment, None, moment,
        is_lead_originated=True, has_full_record=True,
    )  # fmt: skip


def _statement(dice: Iterator[int], key: str) -> Statement:
    """A refusal, an import that claims consent, or a consent of the person's own accord; some recorded late."""
    kind, what, channel = next(dice) % 10, next(dice), _CHANNELS[next(dice) % 3].value
    said = _START + timedelta(minutes=next(dice) % _YEAR)
    recorded = said + timedelta(hours=(next(dice) % 72) * (kind % 2))
    if kind < 6:
        reason = _REFUSALS[what % len(_REFUSALS)]
        if reason == "do_not_contact" and what % 2:
            channel = "all"
        return Statement(key, channel, Stance.REFUSED, reason, "x", "", said if what % 3 else None, None, recorded)
    return Statement(
        key, channel, Stance.ALLOWED, "written_consent", "crm", "row 1", said, None, recorded,
        is_lead_originated=kind >= 8, has_full_record=True,
    )  # fmt: skip


def judge(life: Life, tally: Tally) -> None:
    """Ask the engine, let the oracle walk the same history, and count every disagreement that would be a wrong send."""
    known = [tuple(s for s in half if s.recorded_at <= life.asked_at) for half in life.halves]
    parts = [_contact(life, standing(half)) for half in known]
    merged = reduce(merge, parts)
    now = life.asked_at.replace(tzinfo=UTC)
    answer = decide(merged, life.channel, now, _POLICY, _RULES)
    tally.histories += 1
    if merged != reduce(merge, reversed(parts)) or merged != merge(merged, parts[0]):
        tally.order_matters += 1
    refused = any(decide(part, life.channel, now, _POLICY, _RULES).status is Status.REFUSED for part in parts)
    if answer.status is not Status.REFUSED and refused and _closed(known, life.channel.value):
        tally.loosened += 1
    if answer.status is not Status.ALLOWED:
        return
    tally.sends += 1
    tally.after_opt_out += _closed(known, life.channel.value)
    tally.without_ground += not any(s.stance is Stance.ALLOWED for half in known for s in half)
    local = now.astimezone(ZoneInfo(life.zone))
    opens, closes = _HOURS[life.channel.value]
    tally.outside_hours += not opens <= local.hour < closes


def _contact(life: Life, facts: frozenset[Fact]) -> ContactFacts:
    return ContactFacts(
        countries=frozenset(["US"]),
        states=frozenset(["GA"]),
        is_state_known=True,
        zones=frozenset([life.zone]),
        has_address=True,
        has_opt_out_source=True,
        facts=facts,
    )


def _closed(known: list[tuple[Statement, ...]], channel: str) -> bool:
    """The oracle: some refusal of some half reaches the channel and no later word of the person's own lifts it."""
    for half in known:
        for no in half:
            if no.stance is Stance.REFUSED and channel in _reach(no):
                said = no.since if no.since is not None else no.recorded_at
                lifted = no.basis != "hard_bounce" and any(
                    yes.stance is Stance.ALLOWED
                    and yes.is_lead_originated
                    and yes.channel == channel
                    and yes.since is not None
                    and yes.since > said
                    and yes.recorded_at > said
                    for yes in half
                )
                if not lifted:
                    return True
    return False


def _reach(no: Statement) -> frozenset[str]:
    if no.basis in ("objection", "complaint") or no.channel == "all":
        return _EVERY
    return _PHONES if no.channel in _PHONES else frozenset([no.channel])


_POLICY: Final = PermissionPolicy()
_RULES: Final = load_rules()


def tally_of(count: int, seed: int = SEED) -> Tally:
    """Judge that many histories."""
    tally = Tally()
    for life in lives(count, seed):
        judge(life, tally)
    return tally


def permission_rows(count: int = HISTORIES) -> list[Row]:
    """The suite's rows: figures of correctness have the target 0."""
    begun = time.process_time()
    tally = tally_of(count)
    seconds = time.process_time() - begun
    name, origin_ = f"{tally.histories:,} permission histories", origin()
    wrong = {
        "sends after an opt-out": tally.after_opt_out,
        "sends outside the hours": tally.outside_hours,
        "sends without a ground": tally.without_ground,
        "merges whose order matters": tally.order_matters,
        "merges that loosened": tally.loosened,
    }
    rows = [make_row(origin_, f"{name}: {what}", [float(number)], "", target=0) for what, number in wrong.items()]
    return [
        *rows,
        make_row(origin_, f"{name}: sends that were allowed", [float(tally.sends)], "sends"),
        make_row(origin_, f"{name}: CPU", [seconds], "s"),
    ]
