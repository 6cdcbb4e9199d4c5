"""Evaluates a program on blocks of rows: compiled where possible, on so many threads as asked for and no more."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from models.scoring.paths import Paths, paths_of
from models.scoring.program import Floats, Program

Loops = Literal["compiled", "numpy"]
ROWS_AT_ONCE: Final = 256  # a block and its inputs stay in the processor's cache
_log = logging.getLogger(__name__)


class Evaluator:
    """Answers of one program.

    Args:
        program: checked arrays.
        loops: `compiled`, or `numpy` to do without; None takes what works here.
    """

    def __init__(self, program: Program, *, loops: Loops | None = None) -> None:
        self.loops: Loops = loops or working_loops()
        self.program = p = Program(**{name: _fixed(array) for name, array in program.arrays().items()})
        self._inputs = (p.input_kind, p.input_column, p.input_start, p.input_size, p.numbers)
        self._trees = (
            p.tree_start, p.node_input, p.node_threshold, p.node_missing_left, p.node_left, p.node_right, p.node_value,
        )  # fmt: skip
        pairs = (p.pair_left, p.pair_right, p.pair_weight)
        self._raw = (*self._inputs, p.intercept, p.term_input, p.term_weight, *pairs, *self._trees)

    def raw(self, block: Floats) -> Floats:
        """Raw log odds of one block on this thread, (rows, columns) -> (rows,)."""
        if self.loops == "numpy":
            from models.scoring import plain

            return plain.raw_scores(self.program, block)
        from models.scoring import kernels

        out = np.empty(len(block))
        kernels.raw_scores(block, *self._raw, out)
        return out

    @functools.cached_property
    def paths(self) -> Paths:
        """Paths of all leaves, worked out once."""
        found = paths_of(self.program)
        arrays: dict[str, Any] = {one.name: getattr(found, one.name) for one in fields(found)}
        kept: dict[str, Any] = {name: _fixed(a) if isinstance(a, np.ndarray) else a for name, a in arrays.items()}
        return Paths(**kept)

    @functools.cached_property
    def _tables(self) -> tuple[Floats, Floats]:
        """Contributions of whole branches, and shares of the leaves of branches without a table."""
        from models.scoring import kernels

        p, a = self.program, self.paths
        table, leaf_table = np.empty(a.cells), np.empty(a.leaf_cells)
        kernels.fill_tables(
            p.tree_start, a.tree_branch, a.branch_leaf, a.branch_node_start, a.branch_node, a.leaf_value, a.step_start,
            a.step_node, a.step_left, a.step_player, a.player_start, a.player_seat, a.player_ratio, a.seat_start,
            a.table_start, table,
        )  # fmt: skip
        kernels.fill_leaf_tables(a.leaf_value, a.player_start, a.player_ratio, a.leaf_table_start, leaf_table)
        return _fixed(table), _fixed(leaf_table)

    @functools.cached_property
    def baseline(self) -> float:
        """Raw log odds of nobody in particular: what the contributions are told against."""
        p = self.program
        sums = float(p.term_weight @ p.term_mean) + float(p.pair_weight @ p.pair_mean)
        return float(p.intercept[0]) + sums + self.paths.baseline

    def contributions(self, block: Floats) -> Floats:
        """Contributions by column of one block on this thread, (rows, columns) -> (rows, columns)."""
        if self.loops == "numpy":
            from models.scoring import plain

            return plain.explain(self.program, self.paths, block)
        from models.scoring import kernels

        p, a = self.program, self.paths
        out = np.zeros(block.shape)
        kernels.explain(
            block, *self._inputs, p.term_input, p.term_weight, p.term_mean, p.pair_left, p.pair_right, p.pair_weight,
            p.pair_mean, *self._trees[:4], a.tree_branch, a.branch_leaf, a.branch_node_start, a.branch_node,
            a.leaf_value, a.step_start, a.step_node, a.step_left, a.step_player, a.player_start, a.player_column,
            a.player_ratio, a.seat_start, a.seat_column, a.table_start, a.leaf_table_start, *self._tables, out,
        )  # fmt: skip
        return out

    def prepare(self) -> None:
        """Work out what explanations share, before threads ask for it."""
        if self.loops == "compiled":
            self._tables  # noqa: B018 - computed once


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """The array, not to be written: loops are compiled once, for arrays from memory and from files alike."""
    view = array.view()
    view.flags.writeable = False
    return view


def by_blocks(
    rows: int, block: Callable[[int, int], Floats], answer: Callable[[Floats], Floats], out: Floats, *, threads: int
) -> None:
    """Fill `out` block by block.

    Args:
        rows: number of rows.
        block: matrix of the rows from start to stop.
        answer: called with each matrix.
        threads: blocks worked on at once; the loops themselves start no threads.
    """

    def work(start: int) -> None:
        stop = min(start + ROWS_AT_ONCE, rows)
        out[start:stop] = answer(block(start, stop))

    if threads <= 1 or rows <= ROWS_AT_ONCE:
        for start in _starts(rows):
            work(start)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for _ in pool.map(work, _starts(rows)):
            pass


def _starts(rows: int) -> Iterator[int]:
    return iter(range(0, rows, ROWS_AT_ONCE))


@functools.cache
def working_loops() -> Loops:
    """`compiled` when numba is there, compiles, and agrees with numpy on a small program; else `numpy`."""
    from models.scoring import compiled

    if not compiled.AVAILABLE:
        _log.warning("numba is not installed: models are evaluated with numpy, more slowly")
        return "numpy"
    try:
        agrees = _agree()
    except Exception:  # noqa: BLE001 - a compiler fails in many ways, and none may stop the scoring
        _log.warning("numba cannot compile here: models are evaluated with numpy, more slowly", exc_info=True)
        return "numpy"
    if not agrees:
        _log.warning("compiled loops disagree with numpy here: models are evaluated with numpy, more slowly")
    return "compiled" if agrees else "numpy"


def _agree() -> bool:
    """Whether both loops give the same raw scores for a program of one input, one term and one tree."""
    program = _smallest()
    block = np.array([[-1.0], [0.5], [np.nan], [3.0]])
    found, plain = Evaluator(program, loops="compiled").raw(block), Evaluator(program, loops="numpy").raw(block)
    return bool(np.allclose(found, plain, rtol=0, atol=1e-12))


def _smallest() -> Program:
    def ints(*values: int) -> NDArray[np.int32]:
        return np.array(values, dtype=np.int32)

    none, nothing = np.zeros(0), ints()
    return Program(
        input_kind=np.array([3], dtype=np.uint8), input_column=ints(0), input_start=ints(0), input_size=ints(6),
        numbers=np.array([0.1, 2.0, 0.3, 1.0, -3.0, 3.0]), term_input=ints(0),
        term_weight=np.array([0.7]), term_mean=np.zeros(1),
        pair_left=nothing, pair_right=nothing, pair_weight=none, pair_mean=none, intercept=np.array([-1.0]),
        tree_start=ints(0, 3), node_input=ints(0, -1, -1), node_threshold=np.array([0.2, 0.0, 0.0]),
        node_missing_left=np.array([1, 0, 0], dtype=np.uint8), node_left=ints(1, 0, 0), node_right=ints(2, 0, 0),
        node_value=np.array([0.0, -0.4, 0.6]), node_cover=np.array([2.0, 1.0, 1.0]),
    )  # fmt: skip
