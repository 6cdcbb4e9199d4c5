"""A fitted model as flat arrays: transforms of one feature, weighted sums, products of two, and trees.

    raw = intercept + sum of weight x input + sum of weight x input x input + sum of one leaf of every tree

An input is a transform of one feature (`Transform`). An average of models on the logit scale is again such a program.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

LEAF: Final = -1
_MOST_COLUMNS: Final = 100_000
_MOST_INPUTS: Final = 100_000
_MOST_NODES: Final = 4_000_000


class Transform(IntEnum):
    """How an input is made from the value x of its feature; the numbers that each needs.

    STANDARD: a, b, c: (x - a) / b, missing -> c.
    MARK: a, b: a where missing, else b.
    TABLE: one number for each code of a category, the last one for codes outside the table and missing ones.
    CLIPPED: a, b, c, squeeze, low, high: (u - a) / b with u = clip(s, low, high), s = arcsinh(x / squeeze), or x when
    squeeze is 0; missing -> c.
    CURVE: a, b, c, squeeze, low, high, k, before, last, span: (t(u) - a) / b with t a term of a natural cubic spline,
    see `models.scoring.kernels.spline_term`; missing -> u = c.
    """

    STANDARD = 0
    MARK = 1
    TABLE = 2
    CLIPPED = 3
    CURVE = 4


_NUMBERS: Final = {Transform.STANDARD: 3, Transform.MARK: 2, Transform.CLIPPED: 6, Transform.CURVE: 10}


@dataclass(frozen=True)
class Program:
    """The arrays; lengths are inputs I, numbers N, terms A, pairs Q, trees T, nodes M.

    Attributes:
        input_kind, input_column, input_start, input_size: (I,) `Transform`, column of the encoder, slice of `numbers`.
        numbers: (N,).
        term_input, term_weight, term_mean: (A,) input, weight, and mean of the input over the training rows.
        pair_left, pair_right, pair_weight, pair_mean: (Q,) two inputs, weight, and mean of their product.
        intercept: (1,).
        tree_start: (T + 1,) first node of every tree; a tree's root is its first node.
        node_input: (M,) input that is compared, -1 for a leaf.
        node_threshold: (M,) go left when input <= threshold.
        node_missing_left: (M,) 1 when a missing input goes left.
        node_left, node_right: (M,) children, always after their parent.
        node_value: (M,) log odds of a leaf.
        node_cover: (M,) training rows that reached the node.
    """

    input_kind: Bytes
    input_column: Ints
    input_start: Ints
    input_size: Ints
    numbers: Floats
    term_input: Ints
    term_weight: Floats
    term_mean: Floats
    pair_left: Ints
    pair_right: Ints
    pair_weight: Floats
    pair_mean: Floats
    intercept: Floats
    tree_start: Ints
    node_input: Ints
    node_threshold: Floats
    node_missing_left: Bytes
    node_left: Ints
    node_right: Ints
    node_value: Floats
    node_cover: Floats

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.input_kind.size)

    @property
    def trees(self) -> int:
        """Number of trees."""
        return int(self.tree_start.size) - 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, in the order in which they are stored."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


_DTYPES: Final = {"Bytes": "|u1", "Ints": "<i4", "Floats": "<f8"}
ARRAY_TYPES: Final[dict[str, str]] = {one.name: _DTYPES[str(one.type)] for one in fields(Program)}


def checked_program(arrays: dict[str, NDArray[Any]], *, tables: list[int], where: str) -> Program:
    """A program whose every index stays inside its arrays, so that no input can lead the loops astray.

    Args:
        arrays: as read from a file.
        tables: per column of the encoder the number of known categories, -1 for a number.
        where: named in the error.

    Raises:
        BadInputError: an array is absent, of another type or length, or points outside.
    """
    if {name: array.dtype.str for name, array in arrays.items()} != ARRAY_TYPES:
        raise _refusal("its arrays are not those of a model", where)
    program = Program(**arrays)
    for holds, fault in (
        (0 < len(tables) <= _MOST_COLUMNS, "its columns are too many or none"),
        (program.inputs <= _MOST_INPUTS and program.node_input.size <= _MOST_NODES, "it is too large"),
        (_lengths_agree(program), "the lengths of its arrays do not agree"),
        (_numbers_are_finite(program), "it holds numbers that are not finite"),
    ):
        if not holds:
            raise _refusal(fault, where)
    for holds, fault in (
        (_inputs_are_sound(program, tables), "an input points outside its numbers"),
        (_sums_are_sound(program), "a sum points outside the inputs"),
    ):
        if not holds:
            raise _refusal(fault, where)
    if not _trees_are_sound(program):
        raise _refusal("a tree points outside its nodes", where)
    return program


def _lengths_agree(p: Program) -> bool:
    groups = (
        (p.input_kind, p.input_column, p.input_start, p.input_size),
        (p.term_input, p.term_weight, p.term_mean),
        (p.pair_left, p.pair_right, p.pair_weight, p.pair_mean),
        (p.node_input, p.node_threshold, p.node_missing_left, p.node_left, p.node_right, p.node_value, p.node_cover),
    )
    same = all(len({array.size for array in group}) == 1 for group in groups)
    return same and p.intercept.size == 1 and p.tree_start.size >= 1


def _numbers_are_finite(p: Program) -> bool:
    sums = (p.term_weight, p.term_mean, p.pair_weight, p.pair_mean, p.intercept, p.node_value, p.node_cover)
    # A threshold may be infinite: "every known value goes left". A transform may answer NaN: "missing".
    return all(bool(np.isfinite(array).all()) for array in sums) and not bool(np.isnan(p.node_threshold).any())


def _inputs_are_sound(p: Program, tables: list[int]) -> bool:
    if not _inside(p.input_column, len(tables)) or not bool((p.input_kind <= max(Transform)).all()):
        return False
    start, size = p.input_start.astype(np.int64), p.input_size.astype(np.int64)
    if bool((start < 0).any() or (size < 1).any() or (start + size > p.numbers.size).any()):
        return False
    for index in range(p.inputs):
        kind, codes = Transform(int(p.input_kind[index])), tables[int(p.input_column[index])]
        numbers = p.numbers[start[index] : start[index] + size[index]]
        if kind is Transform.TABLE:
            if codes < 0 or numbers.size != codes + 1 or not bool(np.isfinite(numbers).all()):
                return False
        elif codes >= 0 or numbers.size != _NUMBERS[kind] or not _numbers_fit(kind, numbers.tolist()):
            return False
    return True


def _numbers_fit(kind: Transform, numbers: list[float]) -> bool:
    """Whether a known value gives a known input."""
    if kind is Transform.MARK:
        return all(map(math.isfinite, numbers))
    middle, spread, missing, *rest = numbers
    if not (math.isfinite(middle) and math.isfinite(spread) and spread != 0.0):
        return False
    if kind is Transform.STANDARD:
        return not math.isinf(missing)  # a tree's own input may answer NaN: "missing"
    squeeze, low, high, *curve = rest
    if kind is Transform.CURVE:
        before, last, span = curve[1:]
        if not all(map(math.isfinite, (*curve, low, high))) or last == before or span == 0.0:
            return False
    return math.isfinite(missing) and math.isfinite(squeeze) and squeeze >= 0.0 and low <= high


def _sums_are_sound(p: Program) -> bool:
    return all(_inside(array, p.inputs) for array in (p.term_input, p.pair_left, p.pair_right))


def _trees_are_sound(p: Program) -> bool:
    nodes = p.node_input.size
    start = p.tree_start.astype(np.int64)
    if start[0] != 0 or start[-1] != nodes or bool((np.diff(start) < 1).any()):
        return False
    if not bool((p.node_missing_left <= 1).all() and (p.node_cover >= 0).all()):
        return False
    if not bool(((p.node_input >= LEAF) & (p.node_input < max(p.inputs, 1))).all()):
        return False
    inner = np.flatnonzero(p.node_input != LEAF)
    end = np.repeat(start[1:], np.diff(start))
    for child in (p.node_left, p.node_right):
        # Children after their parent and inside the tree: every walk ends.
        if not bool(((child[inner] > inner) & (child[inner] < end[inner])).all()):
            return False
    # Every node but the roots has one parent: the walks that explain a leaf are unique.
    parents = np.bincount(np.concatenate([p.node_left[inner], p.node_right[inner]]), minlength=nodes)
    expected = np.ones(nodes, dtype=np.int64)
    expected[start[:-1]] = 0
    return bool((parents == expected).all())


def _inside(array: Ints, length: int) -> bool:
    return bool(((array >= 0) & (array < length)).all())


def _refusal(fault: str, where: str) -> BadInputError:
    return BadInputError(
        f"The model cannot be used: {fault}.", where=where, remedy="Restore the file, or run `recovery rollback`."
    )
