"""The loops of `kernels` in numpy: the same results where nothing can be compiled, some ten times slower."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.scoring.kernels import leaf_shares
from models.scoring.paths import Paths
from models.scoring.program import LEAF, Floats, Ints, Program, Transform


def raw_scores(p: Program, block: Floats) -> Floats:
    """Raw log odds, block (rows, columns) -> (rows,)."""
    inputs = input_values(p, block)
    total = np.full(len(block), p.intercept[0])
    for at, weight in zip(p.term_input, p.term_weight, strict=True):
        total += weight * inputs[:, at]
    for one, other, weight in zip(p.pair_left, p.pair_right, p.pair_weight, strict=True):
        total += weight * (inputs[:, one] * inputs[:, other])
    for root in p.tree_start[:-1]:
        total += p.node_value[_leaves(p, inputs, int(root))]
    return total


def explain(p: Program, paths: Paths, block: Floats) -> Floats:
    """Contributions by column, block (rows, columns) -> (rows, columns)."""
    inputs = input_values(p, block)
    out = np.zeros(block.shape)
    for at, weight, mean in zip(p.term_input, p.term_weight, p.term_mean, strict=True):
        out[:, p.input_column[at]] += weight * (inputs[:, at] - mean)
    for one, other, weight, mean in zip(p.pair_left, p.pair_right, p.pair_weight, p.pair_mean, strict=True):
        half = 0.5 * weight * (inputs[:, one] * inputs[:, other] - mean)
        out[:, p.input_column[one]] += half
        out[:, p.input_column[other]] += half
    for leaf in range(paths.leaf_value.size):
        _add_leaf(p, paths, inputs, leaf, out)
    return out


def input_values(p: Program, block: Floats) -> Floats:
    """Inputs of a block, (rows, columns) -> (rows, inputs)."""
    out = np.empty((len(block), p.inputs))
    for u in range(p.inputs):
        numbers = p.numbers[p.input_start[u] : p.input_start[u] + p.input_size[u]]
        out[:, u] = _input(Transform(int(p.input_kind[u])), block[:, p.input_column[u]], numbers)
    return out


def _input(kind: Transform, x: Floats, numbers: Floats) -> Floats:
    missing = np.isnan(x)
    if kind is Transform.MARK:
        return np.asarray(np.where(missing, numbers[0], numbers[1]))
    if kind is Transform.TABLE:
        last = numbers.size - 1
        known = ~missing & (x >= 0) & (x < last)
        return np.asarray(numbers[np.where(known, x, last).astype(np.intp)])
    if kind is Transform.STANDARD:
        return np.asarray(np.where(missing, numbers[2], (x - numbers[0]) / numbers[1]))
    moved = np.arcsinh(x / numbers[3]) if numbers[3] > 0 else x
    moved = np.clip(moved, numbers[4], numbers[5])
    if kind is Transform.CLIPPED:
        return np.asarray(np.where(missing, numbers[2], (moved - numbers[0]) / numbers[1]))
    term = _spline_term(np.where(missing, numbers[2], moved), *numbers[6:10].tolist())
    return np.asarray((term - numbers[0]) / numbers[1])


def _spline_term(u: Floats, knot: float, before: float, last: float, span: float) -> Floats:
    first, second, third = (np.maximum(u - at, 0.0) ** 3 for at in (knot, before, last))
    return np.asarray(
        (first - second * (last - knot) / (last - before) + third * (before - knot) / (last - before)) / span
    )


def _goes_left(p: Program, inputs: Floats, nodes: Ints) -> NDArray[np.bool_]:
    x: Floats = inputs[np.arange(len(inputs)), p.node_input[nodes]]
    return np.asarray((x <= p.node_threshold[nodes]) | (np.isnan(x) & (p.node_missing_left[nodes] == 1)))


def _leaves(p: Program, inputs: Floats, root: int) -> Ints:
    at = np.full(len(inputs), root, dtype=np.int32)
    rows = np.flatnonzero(p.node_input[at] != LEAF)
    while rows.size:
        nodes = at[rows]
        at[rows] = np.where(_goes_left(p, inputs[rows], nodes), p.node_left[nodes], p.node_right[nodes])
        rows = rows[p.node_input[at[rows]] != LEAF]
    return at


def _add_leaf(p: Program, paths: Paths, inputs: Floats, leaf: int, out: Floats) -> None:
    first, end = int(paths.player_start[leaf]), int(paths.player_start[leaf + 1])
    count = end - first
    mask = np.full(len(inputs), (1 << count) - 1, dtype=np.int64)
    for step in range(paths.step_start[leaf], paths.step_start[leaf + 1]):
        nodes = np.full(len(inputs), paths.step_node[step], dtype=np.int32)
        off = _goes_left(p, inputs, nodes) != (paths.step_left[step] == 1)
        mask[off] &= ~(1 << int(paths.step_player[step]))
    poly, shares = np.empty(66), np.empty(65)
    for found in np.unique(mask).tolist():
        leaf_shares(float(paths.leaf_value[leaf]), paths.player_ratio, first, count, found, poly, shares)
        rows = mask == found
        for player in range(count):
            out[rows, paths.player_column[first + player]] += shares[player]
