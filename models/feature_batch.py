"""Features of many described leads at once: the declarations of `models.features` evaluated by compiled loops.

`models.features.evaluate` says what each value is; this module gives the same values for whole tables of activities,
some hundred times faster. A property test holds both to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.feature_algebra import Activity, LeadHistory, Where, wave_value
from models.feature_attributes import derive
from models.feature_codegen import account_atoms, own_atoms
from models.feature_kernels import aggregate, arithmetic
from models.feature_program import NUMBERS, TEXTS, WAVES, AtomPlan, atom_plan, number_program
from models.features import FEATURES

Floats = NDArray[np.float64]
Column = Floats | NDArray[np.object_]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, as all activity times
_DAY: Final = 86_400_000_000
_MOST_CONDITIONS: Final = 64  # bits of a word


@dataclass(frozen=True)
class ActivityTable:
    """Activities of many leads, grouped by lead and in each group ordered by time.

    Attributes:
        start: first activity of each lead and the end, int64, shape (leads + 1,).
        occurred, observed: microseconds since 1970 UTC, int64, shape (activities,).
        holds: bit i says that the i-th condition of `conditions()` holds, uint64, shape (activities,).
    """

    start: NDArray[np.int64]
    occurred: NDArray[np.int64]
    observed: NDArray[np.int64]
    holds: NDArray[np.uint64]


@cache
def conditions() -> tuple[Where, ...]:
    """Distinct conditions of all declarations; the first one is the person's own act.

    Raises:
        ValueError: more conditions than bits.
    """
    used = (atom.where for atom in (*own_atoms(), *account_atoms()))
    found = tuple(dict.fromkeys((Where(inbound=True), *used)))
    if len(found) > _MOST_CONDITIONS:
        raise ValueError(f"{len(found)} conditions do not fit into {_MOST_CONDITIONS} bits")
    return found


@cache
def _own_plan() -> AtomPlan:
    return atom_plan(own_atoms(), conditions())


@cache
def _account_plan() -> AtomPlan:
    return atom_plan(account_atoms(), conditions())


@cache
def bits_of(kind: str, direction: str, actor: str, level: int, reply: str | None, machine: bool) -> int:
    """Which conditions hold for an activity of this kind; bit i belongs to the i-th of `conditions()`."""
    one = Activity(_EPOCH, _EPOCH, kind, direction, actor, level, reply, machine)
    return sum(1 << place for place, where in enumerate(conditions()) if where.matches(one))


def make_table(
    sizes: Sequence[int], occurred: Sequence[datetime], observed: Sequence[datetime], holds: Sequence[int]
) -> ActivityTable:
    """Table from plain columns.

    Args:
        sizes: activities of each lead, shape (leads,).
        occurred, observed: naive UTC, leads one after another, in any order within a lead, shape (activities,).
        holds: `bits_of` of each activity.
    """
    return pack_table(sizes, _micros(occurred), _micros(observed), holds)


def pack_table(
    sizes: Sequence[int], occurred: NDArray[np.int64], observed: NDArray[np.int64], holds: Sequence[int]
) -> ActivityTable:
    """The same from microseconds since 1970 UTC, int64, shape (activities,)."""
    counts = np.asarray(sizes, np.int64)
    start = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=start[1:])
    if counts.size == 1:
        order = np.argsort(occurred, kind="stable")
    else:
        order = np.lexsort((occurred, np.repeat(np.arange(counts.size), counts)))
    return ActivityTable(start, occurred[order], observed[order], np.array(holds, np.uint64)[order])


def table_of(groups: Sequence[Sequence[Activity]]) -> ActivityTable:
    """Table of the activities of some leads, in any order within a lead."""
    every = list(chain.from_iterable(groups))
    return make_table(
        [len(group) for group in groups],
        [a.occurred_at for a in every],
        [a.observed_at for a in every],
        [bits_of(a.kind, a.direction, a.actor, a.outcome_level, a.reply_class, a.is_machine) for a in every],
    )


def _micros(moments: Sequence[datetime]) -> NDArray[np.int64]:
    # numpy's own conversion of datetimes takes twenty times as long.
    spans = [moment - _EPOCH for moment in moments]
    whole = [(span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds for span in spans]
    return np.array(whole, np.int64)


def evaluate_many(
    own: ActivityTable,
    attributes: Sequence[Mapping[str, object]],
    as_of: date,
    *,
    colleagues: ActivityTable | None = None,
    dormant_after_days: int | NDArray[np.int64] = 30,
) -> dict[str, Column]:
    """Every feature of many leads at one as-of date.

    Args:
        own: activities of each lead, those observed later included: they are cut off.
        attributes: raw stable attributes of each lead (`feature_attributes.RAW_ATTRIBUTES`).
        as_of: decision date, 00:00 UTC.
        colleagues: activities of the other people of each lead's account.
        dormant_after_days: days that separate two spells, one number or one for each lead.

    Returns:
        name -> values, shape (leads,): float64 with NaN for unknown; categories as text or None.
    """
    leads = len(attributes)
    gaps = np.full(leads, dormant_after_days, np.int64) * _DAY
    own_values, spell = _aggregated(own, as_of, gaps, _own_plan())
    account = _account_plan()
    others = np.zeros((leads, len(account.what)), np.int64)
    if colleagues is not None:
        others, _ = _aggregated(colleagues, as_of, gaps, account)
    derived = [derive(given, as_of) for given in attributes]
    waves = [wave_value(wave, as_of) for wave in WAVES]
    given = [[*(np.nan if row[name] is None else row[name] for name in NUMBERS), *waves] for row in derived]
    program = number_program()
    out = np.empty((len(program.names), leads))
    numbers: Any = np.array(given, np.float64).reshape(leads, len(NUMBERS) + len(WAVES))
    arithmetic(program.code, program.operand, program.bound, program.start, own_values, others, spell, numbers, out)
    columns: dict[str, Column] = dict(zip(program.names, out, strict=True))
    for feature, name in TEXTS.items():
        columns[feature] = np.array([row[name] for row in derived], dtype=object)
    return {spec.name: columns[spec.name] for spec in FEATURES if spec.aggregate is not None}


def evaluate_leads(leads: Sequence[LeadHistory], as_of: date) -> dict[str, Column]:
    """The same from described leads."""
    return evaluate_many(
        table_of([lead.activities for lead in leads]),
        [lead.attributes for lead in leads],
        as_of,
        colleagues=table_of([lead.colleagues for lead in leads]),
        dormant_after_days=np.array([lead.dormant_after_days for lead in leads], np.int64),
    )


def _aggregated(
    table: ActivityTable, as_of: date, gaps: NDArray[np.int64], plan: AtomPlan
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Value of each atom, shape (leads, atoms), and the number of the spell, shape (leads,)."""
    leads = table.start.size - 1
    out, spell = np.empty((leads, plan.what.size), np.int64), np.empty(leads, np.int64)
    moment = int(_micros([datetime.combine(as_of, time())])[0])
    aggregate(
        table.start, table.occurred, table.observed, table.holds, moment, gaps,
        plan.what, plan.condition, plan.length, plan.offset, plan.is_silence, out, spell,
    )  # fmt: skip
    return out, spell
