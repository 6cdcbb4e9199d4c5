"""Features of many described leads at once: the declarations of `models.features` evaluated by compiled loops.

`models.features.evaluate` says what each value is; this module gives the same values for whole tables of activities,
some hundred times faster. A property test holds both to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache, lru_cache
from itertools import accumulate, chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.feature_algebra import Activity, LeadHistory, Where, wave_value
from models.feature_attributes import derive
from models.feature_codegen import account_atoms, own_atoms
from models.feature_kernels import aggregate, arithmetic, order_by_time
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


@dataclass(frozen=True)
class FeatureTable:
    """Features of some leads.

    Attributes:
        numbers: float64 with NaN for unknown, shape (features that are numbers, leads), in the order of
            `number_program().names`.
        texts: category feature -> text or None of each lead.
    """

    numbers: Floats
    texts: Mapping[str, Sequence[str | None]]

    def __len__(self) -> int:
        return int(self.numbers.shape[1])

    def number(self, name: str) -> Floats:
        """Values of one feature that is a number, shape (leads,)."""
        found: Floats = self.numbers[_place()[name]]
        return found

    def value(self, name: str, lead: int) -> Any:
        """One value: a float, NaN when unknown; a text or None."""
        place = _place().get(name)
        return self.texts[name][lead] if place is None else self.numbers.item(place, lead)

    def columns(self) -> dict[str, Column]:
        """name -> values, shape (leads,): float64 with NaN for unknown; categories as text or None."""
        found: dict[str, Column] = dict(zip(number_program().names, self.numbers, strict=True))
        found |= {name: np.array(values, dtype=object) for name, values in self.texts.items()}
        return {spec.name: found[spec.name] for spec in FEATURES if spec.aggregate is not None}


@cache
def _place() -> dict[str, int]:
    return {name: at for at, name in enumerate(number_program().names)}


@lru_cache(maxsize=64)
def places_of(names: tuple[str, ...]) -> NDArray[np.intp]:
    """Rows of some features in `FeatureTable.numbers`, -1 for those that are not declared."""
    return np.array([_place().get(name, -1) for name in names], dtype=np.intp)


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


@lru_cache(maxsize=65_536)  # a request may state any text as the class of a reply
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
    start = np.array([0, *accumulate(sizes)], np.int64)
    table = ActivityTable(start, np.empty_like(occurred), np.empty_like(observed), np.empty(occurred.size, np.uint64))
    order_by_time(start, occurred, observed, np.array(holds, np.uint64), table.occurred, table.observed, table.holds)
    return table


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


def evaluate_table(
    own: ActivityTable,
    attributes: Sequence[Mapping[str, object]],
    as_of: date,
    *,
    colleagues: ActivityTable | None = None,
    dormant_after_days: int | NDArray[np.int64] = 30,
) -> FeatureTable:
    """Every feature of many leads at one as-of date.

    Args:
        own: activities of each lead, those observed later included: they are cut off.
        attributes: raw stable attributes of each lead (`feature_attributes.RAW_ATTRIBUTES`).
        as_of: decision date, 00:00 UTC.
        colleagues: activities of the other people of each lead's account.
        dormant_after_days: days that separate two spells, one number or one for each lead.
    """
    leads = len(attributes)
    gaps = np.broadcast_to(np.asarray(dormant_after_days, np.int64) * _DAY, leads)
    own_values, spell = _aggregated(own, as_of, gaps, _own_plan())
    account = _account_plan()
    others = np.zeros((leads, len(account.what)), np.int64)
    if colleagues is not None:
        others, _ = _aggregated(colleagues, as_of, gaps, account)
    derived = [derive(given, as_of) for given in attributes]
    waves = _waves(as_of)
    given = [[*(np.nan if row[name] is None else row[name] for name in NUMBERS), *waves] for row in derived]
    program = number_program()
    out = np.empty((len(program.names), leads))
    numbers: Any = np.array(given, np.float64).reshape(leads, len(NUMBERS) + len(WAVES))
    arithmetic(program.code, program.operand, program.bound, program.start, own_values, others, spell, numbers, out)
    texts: Any = {feature: [row[name] for row in derived] for feature, name in TEXTS.items()}
    return FeatureTable(out, texts)


@lru_cache(maxsize=8)
def _waves(as_of: date) -> tuple[float, ...]:
    return tuple(wave_value(wave, as_of) for wave in WAVES)


def evaluate_leads(leads: Sequence[LeadHistory], as_of: date) -> FeatureTable:
    """The same from histories."""
    return evaluate_table(
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
    moment = _midnight(as_of)
    aggregate(
        table.start, table.occurred, table.observed, table.holds, moment, gaps,
        plan.what, plan.condition, plan.length, plan.offset, plan.is_silence, out, spell,
    )  # fmt: skip
    return out, spell


@lru_cache(maxsize=8)
def _midnight(as_of: date) -> int:
    return int(_micros([datetime.combine(as_of, time())])[0])
