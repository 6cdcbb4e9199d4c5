"""What becomes of one bulk mail: delivery, machines, people, opt-outs. Keyed by person, week and lane."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from simulation.draws import BoolArray, FloatArray, IntArray, choice, uniform
from simulation.people import People
from simulation.settings import WorldSettings


class Lane(IntEnum):
    """Who sends: each lane has its own draws."""

    NEWSLETTER = 0
    CAMPAIGN = 1
    ENGINE = 2


class Intent(IntEnum):
    """True intent of a text that a person or their mailbox writes."""

    INTERESTED = 0
    NEEDS_INFO = 1
    NOT_NOW = 2
    NOT_INTERESTED = 3
    OUT_OF_OFFICE = 4
    UNSUBSCRIBE = 5
    WRONG_PERSON = 6
    COMPLAINT = 7


COUNTED_INTENTS = (Intent.INTERESTED, Intent.NEEDS_INFO, Intent.NOT_NOW)


@dataclass(frozen=True)
class MailOutcome:
    """One entry per mail; `reply` is an Intent or -1."""

    hard_bounce: BoolArray
    soft_bounce: BoolArray
    opt_out: BoolArray
    complaint: BoolArray
    machine_open: BoolArray
    human_open: BoolArray
    click: BoolArray
    scanner_click: BoolArray
    reply: IntArray
    by_text: BoolArray

    @property
    def delivered(self) -> BoolArray:
        """Mails that reached a mailbox."""
        return ~(self.hard_bounce | self.soft_bounce)

    @property
    def suppressed(self) -> BoolArray:
        """Mails after which the address may not be used again."""
        return self.hard_bounce | self.opt_out | self.complaint


def mail_outcome(world: WorldSettings, people: People, who: IntArray, sent_week: FloatArray, lane: Any) -> MailOutcome:
    """Outcome of mails to `who` (positions in the chunk) at `sent_week` (weeks from the start, with fraction)."""
    pid = people.pid[who]
    week = np.floor(sent_week).astype(np.int64)

    def draw(stream: int) -> FloatArray:
        return uniform(world.seed, stream, pid, week, lane)

    hard = sent_week >= people.dead_week[who]
    soft = ~hard & (draw(101) < world.soft_bounce)
    arrived = ~(hard | soft)
    annoyed = np.where(people.effect_class[who] == 2, 2.5, 0.75)
    opt_out = arrived & (draw(102) < world.optout_per_mail * annoyed)
    complaint = arrived & ~opt_out & (draw(103) < world.complaint_per_mail * annoyed)
    opened = arrived & (draw(104) < people.opener[who])
    click = opened & (draw(105) < people.clicker[who] / np.maximum(people.opener[who], 1e-3))
    reply = np.full(len(who), -1, dtype=np.int64)
    kinds = (Intent.OUT_OF_OFFICE, Intent.NOT_INTERESTED, Intent.WRONG_PERSON)
    rates = (world.auto_reply, world.refusal, world.refusal / 8)
    u, floor = draw(106), 0.0
    for kind, rate in zip(kinds, rates, strict=True):
        reply[arrived & (u >= floor) & (u < floor + rate)] = kind
        floor += rate
    by_text = opt_out & (draw(107) < 0.3)
    reply[by_text] = Intent.UNSUBSCRIBE
    reply[complaint & (draw(108) < 0.3)] = Intent.COMPLAINT
    return MailOutcome(
        hard_bounce=hard,
        soft_bounce=soft,
        opt_out=opt_out,
        complaint=complaint,
        machine_open=arrived & (draw(109) < world.machine_open),
        human_open=opened,
        click=click,
        scanner_click=arrived & (draw(110) < world.scanner_click),
        reply=reply,
        by_text=by_text,
    )


def reply_intent(world: WorldSettings, pid: IntArray, week: IntArray) -> IntArray:
    """Intent of a person's own reply that counts as an outcome."""
    return choice(world.seed, 120, (0.5, 0.35, 0.15), pid, week)
