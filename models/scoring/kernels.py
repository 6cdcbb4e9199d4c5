"""The compiled loops: inputs, raw scores and exact tree contributions of a block of rows.

Every index was checked when the program was made (`checked_program`); category codes are checked here.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from models.scoring.compiled import compiled

# `Transform` and `LEAF` as plain integers: compiled code freezes them.
_STANDARD: Final = 0
_MARK: Final = 1
_TABLE: Final = 2
_CLIPPED: Final = 3
_LEAF: Final = -1


@compiled
def squeezed(x: float, squeeze: float, low: float, high: float) -> float:
    """clip(s, low, high) with s = arcsinh(x / squeeze), or x when squeeze is 0."""
    s = math.asinh(x / squeeze) if squeeze > 0.0 else x
    return min(max(s, low), high)


@compiled
def spline_term(u: float, knot: float, before: float, last: float, span: float) -> float:
    """Term of a natural cubic spline (Harrell, 2015, 2.4.5), as `models.training.codes.natural_cubic` has it.

    Args:
        u: the clipped value.
        knot: the term's own knot.
        before, last: the last two knots.
        span: square of the distance from the first knot to the last.
    """
    first = max(u - knot, 0.0) ** 3
    second = max(u - before, 0.0) ** 3
    third = max(u - last, 0.0) ** 3
    return (first - second * (last - knot) / (last - before) + third * (before - knot) / (last - before)) / span


@compiled
def same_clip(numbers: Any, one: int, other: int) -> bool:
    """Whether two transforms squeeze and clip alike."""
    alike = True
    for at in range(3, 6):
        alike = alike and numbers[one + at] == numbers[other + at]
    return alike


@compiled
def fill_inputs(block: Any, kind: Any, column: Any, start: Any, size: Any, numbers: Any, out: Any) -> None:
    """Inputs of a block: block (rows, columns) -> out (rows, inputs)."""
    rows = block.shape[0]
    moved = np.empty(rows)  # clipped values, kept for the curve terms that follow on the same column
    held = -1
    for u in range(kind.shape[0]):
        what, f, s = kind[u], column[u], start[u]
        if what == _STANDARD:
            middle, spread, missing = numbers[s], numbers[s + 1], numbers[s + 2]
            for r in range(rows):
                x = block[r, f]
                out[r, u] = missing if math.isnan(x) else (x - middle) / spread
        elif what == _MARK:
            for r in range(rows):
                out[r, u] = numbers[s] if math.isnan(block[r, f]) else numbers[s + 1]
        elif what == _TABLE:
            last = size[u] - 1
            for r in range(rows):
                x = block[r, f]
                out[r, u] = numbers[s + int(x)] if 0.0 <= x < last else numbers[s + last]
        else:
            middle, spread, missing = numbers[s], numbers[s + 1], numbers[s + 2]
            if not (held >= 0 and column[held] == f and same_clip(numbers, start[held], s)):
                held = u
                for r in range(rows):
                    x = block[r, f]
                    moved[r] = x if math.isnan(x) else squeezed(x, numbers[s + 3], numbers[s + 4], numbers[s + 5])
            if what == _CLIPPED:
                for r in range(rows):
                    out[r, u] = missing if math.isnan(moved[r]) else (moved[r] - middle) / spread
            else:
                knot, before, last_knot, span = numbers[s + 6], numbers[s + 7], numbers[s + 8], numbers[s + 9]
                for r in range(rows):
                    value = missing if math.isnan(moved[r]) else moved[r]
                    out[r, u] = (spline_term(value, knot, before, last_knot, span) - middle) / spread


@compiled
def add_sums(
    inputs: Any, intercept: Any, term_input: Any, term_weight: Any, pair_left: Any, pair_right: Any, pair_weight: Any,
    out: Any,
) -> None:  # fmt: skip
    """Intercept, terms and pairs: inputs (rows, inputs) -> out (rows,)."""
    for r in range(inputs.shape[0]):
        total = intercept[0]
        for a in range(term_input.shape[0]):
            total += term_weight[a] * inputs[r, term_input[a]]
        for q in range(pair_left.shape[0]):
            total += pair_weight[q] * (inputs[r, pair_left[q]] * inputs[r, pair_right[q]])
        out[r] = total


@compiled
def add_trees(
    inputs: Any, tree_start: Any, node_input: Any, threshold: Any, missing_left: Any, left: Any, right: Any,
    value: Any, out: Any,
) -> None:  # fmt: skip
    """One leaf of every tree, in the order of the trees: inputs (rows, inputs) -> out (rows,)."""
    for t in range(tree_start.shape[0] - 1):
        root = tree_start[t]
        for r in range(inputs.shape[0]):
            n = root
            while node_input[n] != _LEAF:
                x = inputs[r, node_input[n]]
                goes_left = x <= threshold[n] or (missing_left[n] == 1 and math.isnan(x))
                n = left[n] if goes_left else right[n]
            out[r] += value[n]


@compiled
def raw_scores(
    block: Any, kind: Any, column: Any, start: Any, size: Any, numbers: Any, intercept: Any, term_input: Any,
    term_weight: Any, pair_left: Any, pair_right: Any, pair_weight: Any, tree_start: Any, node_input: Any,
    threshold: Any, missing_left: Any, left: Any, right: Any, value: Any, out: Any,
) -> None:  # fmt: skip
    """Raw log odds of a block: block (rows, columns) -> out (rows,)."""
    inputs = np.empty((block.shape[0], kind.shape[0]))
    fill_inputs(block, kind, column, start, size, numbers, inputs)
    add_sums(inputs, intercept, term_input, term_weight, pair_left, pair_right, pair_weight, out)
    add_trees(inputs, tree_start, node_input, threshold, missing_left, left, right, value, out)


@compiled
def leaf_shares(value: float, ratio: Any, first: int, count: int, mask: int, poly: Any, out: Any) -> None:
    """Shapley values of one leaf for its `count` players, path-dependent (Lundberg et al., 2020, algorithm 2).

    A player is a feature on the path; bit i of `mask` says that the row meets all of player i's conditions, and
    ratio[first + i] is the share of training rows that met them on their way down. With weights
    w(s) = s! (d - s - 1)! / d!, value times prod of the others: met players gain (1 - ratio), unmet ones lose all.

    Args:
        value: log odds of the leaf.
        poly: scratch, at least count + 1 long.
        out: receives the shares in out[:count].
    """
    cold = value
    for i in range(count):
        if not (mask >> i) & 1:
            cold *= ratio[first + i]
    for own in range(-1, count):
        if own >= 0 and not (mask >> own) & 1:
            continue
        # Coefficients of prod (ratio + t) over the met players but `own`; -1 takes all of them, for the unmet.
        poly[0] = 1.0
        degree = 0
        for i in range(count):
            if i == own or not (mask >> i) & 1:
                continue
            share = ratio[first + i]
            poly[degree + 1] = poly[degree]
            for power in range(degree, 0, -1):
                poly[power] = poly[power] * share + poly[power - 1]
            poly[0] *= share
            degree += 1
        total = 0.0
        weight = 1.0 / count
        for size in range(min(degree, count - 1) + 1):
            total += poly[size] * weight
            # w(s + 1) = w(s) (s + 1) / (d - s - 1)
            if size + 1 < count:
                weight *= (size + 1) / (count - size - 1)
        if own >= 0:
            out[own] = (1.0 - ratio[first + own]) * cold * total
        else:
            for i in range(count):
                if not (mask >> i) & 1:
                    out[i] = -cold * total


@compiled
def met_conditions(leaf: int, step_start: Any, step_node: Any, step_left: Any, step_player: Any, player_start: Any,
                   goes_left: Any, root: int) -> int:  # fmt: skip
    """Mask of the players of a leaf whose conditions all hold, given which side each node of its tree sends the row."""
    mask = (1 << (player_start[leaf + 1] - player_start[leaf])) - 1
    for step in range(step_start[leaf], step_start[leaf + 1]):
        if goes_left[step_node[step] - root] != (step_left[step] == 1):
            mask &= ~(1 << step_player[step])
    return int(mask)


@compiled
def fill_tables(
    tree_start: Any, tree_branch: Any, branch_leaf: Any, branch_node_start: Any, branch_node: Any, leaf_value: Any,
    step_start: Any, step_node: Any, step_left: Any, step_player: Any, player_start: Any, player_seat: Any,
    player_ratio: Any, seat_start: Any, table_start: Any, table: Any,
) -> None:  # fmt: skip
    """Contributions of every branch for every pattern of sides, where a table was reserved (table_start >= 0)."""
    poly, shares = np.empty(66), np.empty(65)
    goes_left = np.empty(widest_tree(tree_start), dtype=np.bool_)
    for t in range(tree_start.shape[0] - 1):
        root = tree_start[t]
        for b in range(tree_branch[t], tree_branch[t + 1]):
            if table_start[b] < 0:
                continue
            seats = seat_start[b + 1] - seat_start[b]
            node, splits = branch_node_start[b], branch_node_start[b + 1] - branch_node_start[b]
            for pattern in range(1 << splits):
                at = table_start[b] + pattern * seats
                table[at : at + seats] = 0.0
                for bit in range(splits):
                    goes_left[branch_node[node + bit] - root] = (pattern >> bit) & 1 == 1
                for leaf in range(branch_leaf[b], branch_leaf[b + 1]):
                    first = player_start[leaf]
                    count = player_start[leaf + 1] - first
                    mask = met_conditions(
                        leaf, step_start, step_node, step_left, step_player, player_start, goes_left, root
                    )
                    leaf_shares(leaf_value[leaf], player_ratio, first, count, mask, poly, shares)
                    for i in range(count):
                        table[at + player_seat[first + i]] += shares[i]


@compiled
def widest_tree(tree_start: Any) -> int:
    """Most nodes of a tree, at least 1."""
    widest = 1
    for t in range(tree_start.shape[0] - 1):
        widest = max(widest, tree_start[t + 1] - tree_start[t])
    return int(widest)


@compiled
def fill_leaf_tables(
    leaf_value: Any, player_start: Any, player_ratio: Any, leaf_table_start: Any, leaf_table: Any
) -> None:
    """Shares of every leaf for every mask, where a table was reserved (leaf_table_start >= 0)."""
    poly, shares = np.empty(66), np.empty(65)
    for leaf in range(leaf_value.shape[0]):
        at = leaf_table_start[leaf]
        if at < 0:
            continue
        first = player_start[leaf]
        count = player_start[leaf + 1] - first
        for mask in range(1 << count):
            leaf_shares(leaf_value[leaf], player_ratio, first, count, mask, poly, shares)
            for i in range(count):
                leaf_table[at + mask * count + i] = shares[i]


@compiled
def add_tree_contributions(
    inputs: Any, tree_start: Any, node_input: Any, threshold: Any, missing_left: Any, tree_branch: Any,
    branch_leaf: Any, branch_node_start: Any, branch_node: Any, leaf_value: Any, step_start: Any, step_node: Any,
    step_left: Any, step_player: Any, player_start: Any, player_column: Any, player_ratio: Any, seat_start: Any,
    seat_column: Any, table_start: Any, leaf_table_start: Any, table: Any, leaf_table: Any, out: Any,
) -> None:  # fmt: skip
    """Contributions of all trees: inputs (rows, inputs) -> added to out (rows, columns)."""
    goes_left = np.empty(widest_tree(tree_start), dtype=np.bool_)
    poly, shares = np.empty(66), np.empty(65)
    for t in range(tree_start.shape[0] - 1):
        root = tree_start[t]
        for r in range(inputs.shape[0]):
            for n in range(root, tree_start[t + 1]):
                if node_input[n] != _LEAF:
                    x = inputs[r, node_input[n]]
                    goes_left[n - root] = x <= threshold[n] or (missing_left[n] == 1 and math.isnan(x))
            for b in range(tree_branch[t], tree_branch[t + 1]):
                if table_start[b] >= 0:
                    pattern, node = 0, branch_node_start[b]
                    for bit in range(branch_node_start[b + 1] - node):
                        pattern |= goes_left[branch_node[node + bit] - root] << bit
                    at = table_start[b] + pattern * (seat_start[b + 1] - seat_start[b])
                    for seat in range(seat_start[b], seat_start[b + 1]):
                        out[r, seat_column[seat]] += table[at + seat - seat_start[b]]
                    continue
                for leaf in range(branch_leaf[b], branch_leaf[b + 1]):
                    first = player_start[leaf]
                    count = player_start[leaf + 1] - first
                    mask = met_conditions(
                        leaf, step_start, step_node, step_left, step_player, player_start, goes_left, root
                    )
                    at = leaf_table_start[leaf]
                    if at >= 0:
                        at += mask * count
                        for i in range(count):
                            out[r, player_column[first + i]] += leaf_table[at + i]
                    else:
                        leaf_shares(leaf_value[leaf], player_ratio, first, count, mask, poly, shares)
                        for i in range(count):
                            out[r, player_column[first + i]] += shares[i]


@compiled
def explain(
    block: Any, kind: Any, column: Any, start: Any, size: Any, numbers: Any, term_input: Any, term_weight: Any,
    term_mean: Any, pair_left: Any, pair_right: Any, pair_weight: Any, pair_mean: Any, tree_start: Any,
    node_input: Any, threshold: Any, missing_left: Any, tree_branch: Any, branch_leaf: Any, branch_node_start: Any,
    branch_node: Any, leaf_value: Any, step_start: Any, step_node: Any, step_left: Any, step_player: Any,
    player_start: Any, player_column: Any, player_ratio: Any, seat_start: Any, seat_column: Any, table_start: Any,
    leaf_table_start: Any, table: Any, leaf_table: Any, out: Any,
) -> None:  # fmt: skip
    """Contributions of a block: block (rows, columns) -> out (rows, columns), zero before."""
    inputs = np.empty((block.shape[0], kind.shape[0]))
    fill_inputs(block, kind, column, start, size, numbers, inputs)
    for r in range(block.shape[0]):
        for a in range(term_input.shape[0]):
            u = term_input[a]
            out[r, column[u]] += term_weight[a] * (inputs[r, u] - term_mean[a])
        for q in range(pair_left.shape[0]):
            one, other = pair_left[q], pair_right[q]
            half = 0.5 * pair_weight[q] * (inputs[r, one] * inputs[r, other] - pair_mean[q])
            out[r, column[one]] += half
            out[r, column[other]] += half
    add_tree_contributions(
        inputs, tree_start, node_input, threshold, missing_left, tree_branch, branch_leaf, branch_node_start,
        branch_node, leaf_value, step_start, step_node, step_left, step_player, player_start, player_column,
        player_ratio, seat_start, seat_column, table_start, leaf_table_start, table, leaf_table, out,
    )  # fmt: skip
