"""The paths of all leaves, prepared once for exact tree contributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.scoring.program import LEAF, Floats, Ints, Program

# A tree with more splits is cut into branches: 2^splits x columns numbers grow too large.
MOST_SPLITS: Final = 10
# A leaf with more columns on its path is worked out per row, likewise.
MOST_TABLED: Final = 10
_MOST_CELLS: Final = 4_000_000  # 32 MB for each of the two tables of a model
_MOST_PLAYERS: Final = 62  # bits of a mask
_MOST_STEPS: Final = 500


@dataclass(frozen=True)
class Paths:
    """Trees T, leaves L, steps S on their paths, players P (distinct columns on a path).

    Branches B are leaves that follow one another, few enough that the N splits which decide them (those on the way to
    the branch and those in it) make a table; a small tree is one branch. Seats E are the distinct columns of a branch.

    Attributes:
        tree_branch: (T + 1,) first branch of every tree.
        branch_leaf: (B + 1,) first leaf of every branch.
        branch_node_start, branch_node: (B + 1,) and (N,) splits that decide a branch, in the order of the bits.
        leaf_value: (L,).
        step_start, step_node, step_left, step_player: (L + 1,) and (S,) node, side taken, player within the leaf.
        player_start, player_column, player_ratio, player_seat: (L + 1,) and (P,) column, share of rows that met its
            conditions, seat within the branch.
        seat_start, seat_column: (B + 1,) and (E,) columns of a branch.
        table_start: (B,) first cell of a branch's contributions by pattern of sides, -1 where leaves are summed.
        leaf_table_start: (L,) first cell of a leaf's shares by mask, -1 where they are worked out or not needed.
        cells, leaf_cells: sizes of the two tables.
        baseline: expected sum of all trees over the training rows.
    """

    tree_branch: Ints
    branch_leaf: Ints
    branch_node_start: Ints
    branch_node: Ints
    leaf_value: Floats
    step_start: Ints
    step_node: Ints
    step_left: NDArray[np.uint8]
    step_player: Ints
    player_start: Ints
    player_column: Ints
    player_ratio: Floats
    player_seat: Ints
    seat_start: Ints
    seat_column: Ints
    table_start: NDArray[np.int64]
    leaf_table_start: NDArray[np.int64]
    cells: int
    leaf_cells: int
    baseline: float


class _Walk:
    """Collects the leaves of a program."""

    def __init__(self, program: Program) -> None:
        self.p = program
        self.column = program.input_column[np.maximum(program.node_input, 0)] if program.inputs else None
        self.tree_branch: list[int] = [0]
        self.branch_leaf: list[int] = [0]
        self.branch_node_start, self.branch_node = [0], list[int]()
        self.leaf_value: list[float] = []
        self.steps: list[tuple[int, int, int]] = []
        self.step_start, self.player_start = [0], [0]
        self.players: list[tuple[int, float]] = []
        self.player_seat: list[int] = []
        self.seat_start: list[int] = [0]
        self.seat_column: list[int] = []
        self.baseline = 0.0

    def run(self) -> Paths:
        for tree in range(self.p.trees):
            root = int(self.p.tree_start[tree])
            self._tree(root)
            self._branches(root)
            self.tree_branch.append(len(self.branch_leaf) - 1)
        table_start, cells = self._branch_tables()
        leaf_table_start, leaf_cells = self._leaf_tables(table_start)
        steps = np.array(self.steps, dtype=np.int32).reshape(-1, 3)
        return Paths(
            tree_branch=_ints(self.tree_branch),
            branch_leaf=_ints(self.branch_leaf),
            branch_node_start=_ints(self.branch_node_start),
            branch_node=_ints(self.branch_node),
            leaf_value=np.array(self.leaf_value, dtype=np.float64),
            step_start=_ints(self.step_start),
            step_node=np.ascontiguousarray(steps[:, 0]),
            step_left=np.ascontiguousarray(steps[:, 1].astype(np.uint8)),
            step_player=np.ascontiguousarray(steps[:, 2]),
            player_start=_ints(self.player_start),
            player_column=_ints([column for column, _ in self.players]),
            player_ratio=np.array([ratio for _, ratio in self.players], dtype=np.float64),
            player_seat=_ints(self.player_seat),
            seat_start=_ints(self.seat_start),
            seat_column=_ints(self.seat_column),
            table_start=table_start,
            leaf_table_start=leaf_table_start,
            cells=cells,
            leaf_cells=leaf_cells,
            baseline=self.baseline,
        )

    def _tree(self, root: int) -> None:
        waiting: list[tuple[int, tuple[tuple[int, int, float], ...]]] = [(root, ())]
        while waiting:
            node, path = waiting.pop()
            if len(path) > _MOST_STEPS:
                raise ValueError(f"a path has more than {_MOST_STEPS} steps")
            if self.p.node_input[node] == LEAF:
                self._leaf(node, path)
                continue
            left, right = int(self.p.node_left[node]), int(self.p.node_right[node])
            on_left, on_right = float(self.p.node_cover[left]), float(self.p.node_cover[right])
            share = on_left / (on_left + on_right) if on_left + on_right > 0 else 0.5
            waiting.append((right, (*path, (node, 0, 1.0 - share))))
            waiting.append((left, (*path, (node, 1, share))))

    def _leaf(self, node: int, path: tuple[tuple[int, int, float], ...]) -> None:
        value = float(self.p.node_value[node])
        ratios: dict[int, float] = {}
        reached = 1.0
        for at, side, share in path:
            column = int(self.column[at]) if self.column is not None else 0
            ratios[column] = ratios.get(column, 1.0) * share
            reached *= share
            self.steps.append((at, side, list(ratios).index(column)))
        self.players += list(ratios.items())
        self.leaf_value.append(value)
        self.step_start.append(len(self.steps))
        self.player_start.append(len(self.players))
        self.baseline += value * reached

    def _branches(self, root: int) -> None:
        """Cut the newest tree where it has too many splits, from its root down, in the order of its leaves."""
        waiting: list[tuple[int, tuple[int, ...]]] = [(root, ())]
        while waiting:
            node, above = waiting.pop()
            below = self._splits_below(node)
            if below and len(above) + len(below) > MOST_SPLITS:
                waiting.append((int(self.p.node_right[node]), (*above, node)))
                waiting.append((int(self.p.node_left[node]), (*above, node)))
                continue
            self.branch_node += [*above, *below]
            self.branch_node_start.append(len(self.branch_node))
            self.branch_leaf.append(self.branch_leaf[-1] + len(below) + 1)
            self._seat_players(self.branch_leaf[-1])

    def _splits_below(self, node: int) -> list[int]:
        found, waiting = list[int](), [node]
        while waiting:
            at = waiting.pop()
            if self.p.node_input[at] != LEAF:
                found.append(at)
                waiting += [int(self.p.node_right[at]), int(self.p.node_left[at])]
        return found

    def _seat_players(self, leaf_end: int) -> None:
        """Give every column of the newest branch one seat."""
        seats: dict[int, int] = {}
        for column, _ in self.players[len(self.player_seat) : self.player_start[leaf_end]]:
            self.player_seat.append(seats.setdefault(column, len(seats)))
        self.seat_column += list(seats)
        self.seat_start.append(len(self.seat_column))

    def _branch_tables(self) -> tuple[NDArray[np.int64], int]:
        splits = np.diff(np.array(self.branch_node_start))
        return _reserved(splits, np.diff(np.array(self.seat_start)), splits <= MOST_SPLITS)

    def _leaf_tables(self, table_start: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
        counts = np.diff(np.array(self.player_start))
        branch = np.repeat(np.arange(table_start.size), np.diff(np.array(self.branch_leaf)))
        return _reserved(counts, counts, (counts <= MOST_TABLED) & (table_start[branch] < 0))


def _reserved(bits: NDArray[Any], width: NDArray[Any], wanted: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """First cells of tables of 2^bits x width numbers, -1 where none is wanted or the room is used up; the total."""
    starts = np.full(bits.size, -1, dtype=np.int64)
    cells = 0
    for index in np.flatnonzero(wanted).tolist():
        size = (1 << int(bits[index])) * int(width[index])
        if cells + size <= _MOST_CELLS:
            starts[index] = cells
            cells += size
    return starts, cells


def paths_of(program: Program) -> Paths:
    """Paths of a program.

    Raises:
        ValueError: a path is longer than 500 steps or names more than 62 different columns.
    """
    paths = _Walk(program).run()
    if int(np.diff(paths.player_start).max(initial=0)) > _MOST_PLAYERS:
        raise ValueError(f"a path names more than {_MOST_PLAYERS} columns")
    return paths


def _ints(values: list[Any]) -> Ints:
    return np.array(values, dtype=np.int32)
