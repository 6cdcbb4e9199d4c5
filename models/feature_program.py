"""The declarations as arrays that compiled loops read: atoms with their windows, and arithmetic in postfix order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.feature_algebra import (
    ActiveDays,
    AtLeast,
    Atom,
    Attribute,
    Colleagues,
    Count,
    DaysSince,
    Expression,
    Minus,
    Ratio,
    Spell,
    Where,
    Window,
    YearWave,
)
from models.feature_attributes import DERIVED
from models.feature_codegen import account_atoms, own_atoms
from models.feature_kernels import (
    ACTIVE_DAYS,
    COUNT,
    FIRST,
    LAST,
    OP_ACCOUNT,
    OP_AT_LEAST,
    OP_COUNT,
    OP_DAYS,
    OP_GIVEN,
    OP_MINUS,
    OP_RATIO,
    OP_SPELL,
)
from models.features import FEATURES

_DAY: Final = 86_400_000_000
WAVES: Final[tuple[Literal["sin", "cos"], ...]] = ("sin", "cos")
# Attributes that are numbers, in the order of the kernel's columns; the waves of the year follow them.
NUMBERS: Final = tuple(one.name for one in DERIVED if one.shape != "text")
_IS_TEXT: Final = frozenset(one.name for one in DERIVED if one.shape == "text")
# Category feature -> attribute that it shows.
TEXTS: Final = {
    spec.name: spec.aggregate.name
    for spec in FEATURES
    if isinstance(spec.aggregate, Attribute) and spec.aggregate.name in _IS_TEXT
}


@dataclass(frozen=True)
class AtomPlan:
    """Aggregates as arrays, shape (atoms,): what, which condition, length and offset of the window in microseconds.

    Length -1 is open; `is_silence` says that the window ends at the last own act.
    """

    what: NDArray[np.int8]
    condition: NDArray[np.int64]
    length: NDArray[np.int64]
    offset: NDArray[np.int64]
    is_silence: NDArray[np.bool_]


def atom_plan(atoms: tuple[Atom, ...], conditions: tuple[Where, ...]) -> AtomPlan:
    """Arrays of some aggregates over numbered conditions."""
    place = {where: at for at, where in enumerate(conditions)}
    windows = [Window() if isinstance(atom, DaysSince) else atom.window for atom in atoms]
    return AtomPlan(
        np.array([_what(atom) for atom in atoms], np.int8),
        np.array([place[atom.where] for atom in atoms], np.int64),
        np.array([-1 if w.days is None else w.days * _DAY for w in windows], np.int64),
        np.array([w.offset * _DAY for w in windows], np.int64),
        np.array([w.anchor == "silence" for w in windows], np.bool_),
    )


def _what(atom: Atom) -> int:
    if isinstance(atom, Count):
        return COUNT
    if isinstance(atom, ActiveDays):
        return ACTIVE_DAYS
    return LAST if atom.which == "last" else FIRST


@dataclass(frozen=True)
class NumberProgram:
    """Arithmetic of all features that are numbers.

    Attributes:
        names: features, in order.
        code, operand, bound: operations one after another, shape (operations,).
        start: first operation of each feature and the end, shape (features + 1,).
    """

    names: tuple[str, ...]
    code: NDArray[np.int8]
    operand: NDArray[np.int64]
    bound: NDArray[np.float64]
    start: NDArray[np.int64]


@cache
def number_program() -> NumberProgram:
    """The program of `FEATURES`."""
    own = {atom: at for at, atom in enumerate(own_atoms())}
    account = {count: at for at, count in enumerate(account_atoms())}
    names, steps, start = [], list[tuple[int, int, float]](), [0]
    for spec in FEATURES:
        if spec.aggregate is None or spec.name in TEXTS:
            continue
        names.append(spec.name)
        steps += _postfix(spec.aggregate, own, account)
        start.append(len(steps))
    return NumberProgram(
        tuple(names),
        np.array([code for code, _, _ in steps], np.int8),
        np.array([operand for _, operand, _ in steps], np.int64),
        np.array([bound for _, _, bound in steps], np.float64),
        np.array(start, np.int64),
    )


def _postfix(expression: Expression, own: dict[Atom, int], account: dict[Count, int]) -> list[tuple[int, int, float]]:
    match expression:
        case Count() | ActiveDays():
            return [(OP_COUNT, own[expression], 0.0)]
        case DaysSince():
            return [(OP_DAYS, own[expression], 0.0)]
        case Colleagues(count):
            return [(OP_ACCOUNT, account[count], 0.0)]
        case Spell():
            return [(OP_SPELL, 0, 0.0)]
        case Attribute(name):
            return [(OP_GIVEN, NUMBERS.index(name), 0.0)]
        case YearWave(wave):
            return [(OP_GIVEN, len(NUMBERS) + WAVES.index(wave), 0.0)]
        case AtLeast(part, bound):
            return [*_postfix(part, own, account), (OP_AT_LEAST, 0, float(bound))]
        case Minus(left, right):
            return [*_postfix(left, own, account), *_postfix(right, own, account), (OP_MINUS, 0, 0.0)]
        case Ratio(left, right):
            return [*_postfix(left, own, account), *_postfix(right, own, account), (OP_RATIO, 0, 0.0)]
