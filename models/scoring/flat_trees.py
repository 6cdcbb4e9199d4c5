"""Trees of scikit-learn's and LightGBM's boosting as plain nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from models.scoring.builder import Input, Tree

# LightGBM's decision_type: bit 0 categorical, bit 1 missing goes left, bits 2-3 what counts as missing.
_CATEGORICAL: Final = 1
_MISSING_LEFT: Final = 2
_ZERO, _NAN = 1, 2


def hist_trees(model: Any, inputs: Sequence[Input]) -> tuple[list[Tree], float]:
    """Trees and baseline of a fitted HistGradientBoostingClassifier.

    Raises:
        TypeError: splits on sets of categories.
    """
    trees = [_hist_tree(predictor.nodes, inputs) for (predictor,) in model._predictors]
    return trees, float(np.ravel(model._baseline_prediction)[0])


def _hist_tree(nodes: Any, inputs: Sequence[Input]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    if (nodes["is_categorical"].astype(bool) & ~leaf).any():
        raise TypeError("splits on sets of categories have no plain form; code categories as numbers")
    used = zip(leaf.tolist(), nodes["feature_idx"].tolist(), strict=True)
    return Tree(
        inputs=tuple(None if end else inputs[index] for end, index in used),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        missing_left=np.where(leaf, 0, nodes["missing_go_to_left"]),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        value=np.where(leaf, nodes["value"], 0.0),
        cover=nodes["count"].astype(np.float64),
    )


def lightgbm_trees(text: str, inputs: Sequence[Input]) -> list[Tree]:
    """Trees of LightGBM's own text; the first one holds the baseline.

    Raises:
        TypeError: splits on sets of categories, linear leaves, averaged trees, or zeros that count as missing.
    """
    head, *blocks = text.split("\nTree=")
    if "\naverage_output" in head:
        raise TypeError("averaged trees have no plain form")
    return [_lightgbm_tree(block, inputs) for block in blocks]


def _lightgbm_tree(block: str, inputs: Sequence[Input]) -> Tree:
    found = dict(line.split("=", 1) for line in block.split("\n\n", 1)[0].splitlines()[1:] if "=" in line)

    def numbers(name: str, dtype: Any) -> Any:
        return np.array(found.get(name, "").split(), dtype=dtype)

    if found.get("is_linear", "0") != "0":
        raise TypeError("linear leaves have no plain form")
    leaves = int(found["num_leaves"])
    inner = leaves - 1
    value, covers = numbers("leaf_value", np.float64), numbers("leaf_count", np.float64)
    if inner == 0:
        none = np.zeros(1, dtype=np.int64)
        return Tree((None,), np.zeros(1), none, none, none, value, covers if covers.size else np.ones(1))
    decision = numbers("decision_type", np.int64)
    threshold = numbers("threshold", np.float64)
    kind = (decision >> 2) & 3
    if (decision & _CATEGORICAL).any() or (kind == _ZERO).any():
        raise TypeError("splits on sets of categories and zeros that count as missing have no plain form")
    # Where the training rows had no missing value, LightGBM reads one as zero.
    missing_left = np.where(kind == _NAN, (decision & _MISSING_LEFT) > 0, threshold >= 0.0)
    ends = np.zeros(leaves)
    return Tree(
        inputs=(*(inputs[index] for index in numbers("split_feature", np.int64)), *([None] * leaves)),
        threshold=np.concatenate([threshold, ends]),
        missing_left=np.concatenate([missing_left, ends]),
        left=np.concatenate([_children(numbers("left_child", np.int64), inner), ends]),
        right=np.concatenate([_children(numbers("right_child", np.int64), inner), ends]),
        value=np.concatenate([np.zeros(inner), value]),
        cover=np.concatenate([numbers("internal_count", np.float64), covers]),
    )


def _children(child: Any, inner: int) -> Any:
    """Node numbers; LightGBM writes leaf k as -k - 1, and leaves stand behind the inner nodes here."""
    return np.where(child < 0, inner - child - 1, child)
