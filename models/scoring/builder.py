"""Gathers the parts of a program: transforms of one feature, weighted sums, products and trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scoring.plain import input_values
from models.scoring.program import LEAF, Floats, Program, Transform


@dataclass(frozen=True)
class Input:
    """A transform of one column of the encoder."""

    kind: Transform
    column: str
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Product:
    """The product of two inputs."""

    left: Input
    right: Input


@dataclass(frozen=True)
class Tree:
    """One tree; children are node numbers within it and come after their parent, inputs are None for leaves."""

    inputs: tuple[Input | None, ...]
    threshold: Floats
    missing_left: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    value: Floats
    cover: Floats


class Builder:
    """A program in the making; a part that is added twice is stored once.

    Args:
        columns: names of the encoder's columns, in order.
        categories: feature -> every category that some coder knows.
    """

    def __init__(self, columns: Sequence[str], categories: dict[str, tuple[str, ...]]) -> None:
        self.columns = {name: index for index, name in enumerate(columns)}
        self.categories = categories
        self.inputs: dict[Input, int] = {}
        self.intercept = 0.0
        self.terms: dict[Input, float] = {}
        self.pairs: dict[Product, float] = {}
        self.trees: list[Tree] = []

    def table(self, feature: str, known: Sequence[str], values: Sequence[float], unseen: float) -> Input:
        """Input that looks a category up: values of `known` ones, `unseen` for all others."""
        by_text = dict(zip(known, values, strict=True))
        numbers = [float(by_text.get(text, unseen)) for text in self.categories[feature]]
        return Input(Transform.TABLE, feature, (*numbers, float(unseen)))

    def add_linear(self, columns: Sequence[Input | Product], weights: Floats, intercept: float) -> None:
        """Add a linear model of some columns."""
        self.intercept += intercept
        tables: dict[str, Floats] = {}
        for column, weight in zip(columns, weights.tolist(), strict=True):
            if isinstance(column, Product):
                self.pairs[column] = self.pairs.get(column, 0.0) + weight
            elif column.kind is Transform.TABLE:
                # The ones and zeros of a category are one look-up of its coefficient.
                before = tables.get(column.column, np.zeros(len(column.numbers)))
                tables[column.column] = before + weight * np.array(column.numbers)
            else:
                self.terms[column] = self.terms.get(column, 0.0) + weight
        for name, numbers in tables.items():
            table = Input(Transform.TABLE, name, tuple(numbers.tolist()))
            self.terms[table] = self.terms.get(table, 0.0) + 1.0

    def add_trees(self, trees: Sequence[Tree], intercept: float, *, share: float) -> None:
        """Add share times a sum of trees and an intercept."""
        self.intercept += share * intercept
        self.trees += [tree if share == 1.0 else replace(tree, value=share * tree.value) for tree in trees]

    def _at(self, one: Input) -> int:
        return self.inputs.setdefault(one, len(self.inputs))

    def program(self, block: Floats) -> Program:
        """The finished program; means are taken over the rows of `block`, shape (rows, columns)."""
        terms = [(self._at(one), weight) for one, weight in self.terms.items()]
        pairs = [(self._at(one.left), self._at(one.right), weight) for one, weight in self.pairs.items()]
        nodes = _nodes(self.trees, self._at)
        inputs = list(self.inputs)
        sizes = np.array([len(one.numbers) for one in inputs], dtype=np.int32)
        arrays: dict[str, Any] = {
            "input_kind": np.array([one.kind for one in inputs], dtype=np.uint8),
            "input_column": _ints([self.columns[one.column] for one in inputs]),
            "input_start": (np.cumsum(sizes) - sizes).astype(np.int32),
            "input_size": sizes,
            "numbers": _floats([number for one in inputs for number in one.numbers]),
            "term_input": _ints([at for at, _ in terms]),
            "term_weight": _floats([weight for _, weight in terms]),
            "term_mean": np.zeros(len(terms)),
            "pair_left": _ints([left for left, _, _ in pairs]),
            "pair_right": _ints([right for _, right, _ in pairs]),
            "pair_weight": _floats([weight for _, _, weight in pairs]),
            "pair_mean": np.zeros(len(pairs)),
            "intercept": np.array([self.intercept]),
            **nodes,
        }
        return _with_means(Program(**arrays), block)


def _with_means(program: Program, block: Floats) -> Program:
    if len(block) == 0:
        return program
    inputs = input_values(program, block)
    products = inputs[:, program.pair_left] * inputs[:, program.pair_right]
    return replace(program, term_mean=inputs[:, program.term_input].mean(axis=0), pair_mean=products.mean(axis=0))


def _nodes(trees: Sequence[Tree], at: Callable[[Input], int]) -> dict[str, NDArray[Any]]:
    starts = [0]
    parts: dict[str, list[NDArray[Any]]] = {name: [np.zeros(0)] for name in ("input", "left", "right")}
    for tree in trees:
        offset = starts[-1]
        inner = np.array([one is not None for one in tree.inputs])
        parts["input"].append(np.array([LEAF if one is None else at(one) for one in tree.inputs]))
        parts["left"].append(np.where(inner, tree.left + offset, 0))
        parts["right"].append(np.where(inner, tree.right + offset, 0))
        starts.append(offset + len(tree.inputs))

    def joined(name: str, dtype: Any) -> NDArray[Any]:
        return np.concatenate([np.zeros(0), *(getattr(tree, name) for tree in trees)]).astype(dtype)

    return {
        "tree_start": _ints(starts),
        **{f"node_{name}": np.concatenate(found).astype(np.int32) for name, found in parts.items()},
        "node_threshold": joined("threshold", np.float64),
        "node_missing_left": joined("missing_left", np.uint8),
        "node_value": joined("value", np.float64),
        "node_cover": joined("cover", np.float64),
    }


def _ints(values: list[int]) -> NDArray[np.int32]:
    return np.array(values, dtype=np.int32)


def _floats(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)
