"""Contributions add up, and those of trees are the exact path-dependent Shapley values."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from models.calibration.calibrator import logit
from models.scoring import paths as paths_module
from models.scoring.encoder import filled
from models.scoring.evaluator import Evaluator
from models.scoring.program import LEAF, Program
from models.training.matrix import clean_frame
from tests.models.scoring.fitted import Fitted, fit, odd_rows


def test_baseline_contributions_and_calibration_are_logit_p(fitted: Fitted) -> None:
    for rows in (fitted.frame, odd_rows(fitted.frame)):
        values, baseline, calibration = fitted.model.contributions(rows)
        p = fitted.model.p(rows)
        assert np.abs(values.sum(axis=1) + baseline + calibration - logit(p)).max() < 1e-6
        edge = 1.0 / (fitted.model.calibrator.rows + 2)
        assert p.min() >= edge
        assert p.max() <= 1 - edge
    assert (values.std(axis=0) > 0).sum() > 3


def _expected(p: Program, node: int, inputs: np.ndarray, known: frozenset[int]) -> float:
    """Expected leaf value when only the features in `known` are looked at (Lundberg et al., 2020, algorithm 1)."""
    if p.node_input[node] == LEAF:
        return float(p.node_value[node])
    left, right = int(p.node_left[node]), int(p.node_right[node])
    if int(p.input_column[p.node_input[node]]) in known:
        x = inputs[p.node_input[node]]
        goes_left = x <= p.node_threshold[node] or (np.isnan(x) and p.node_missing_left[node] == 1)
        return _expected(p, left if goes_left else right, inputs, known)
    on_left, on_right = p.node_cover[left], p.node_cover[right]
    both = _expected(p, left, inputs, known) * on_left + _expected(p, right, inputs, known) * on_right
    return float(both / (on_left + on_right))


def _shapley(p: Program, inputs: np.ndarray, features: int) -> np.ndarray:
    """Shapley values by their definition: over every subset of features."""
    out = np.zeros(features)
    for root in p.tree_start[:-1]:
        for feature in range(features):
            others = [one for one in range(features) if one != feature]
            for size in range(features):
                weight = factorial(size) * factorial(features - size - 1) / factorial(features)
                for subset in combinations(others, size):
                    known = frozenset(subset)
                    gain = _expected(p, int(root), inputs, known | {feature}) - _expected(p, int(root), inputs, known)
                    out[feature] += weight * gain
    return out


@pytest.mark.parametrize("tabled", ["trees", "leaves", "none"])
def test_tree_contributions_are_shapley_values_by_definition(
    trees: Fitted, monkeypatch: pytest.MonkeyPatch, tabled: str
) -> None:
    from models.scoring.plain import input_values

    if tabled != "trees":
        monkeypatch.setattr(paths_module, "MOST_SPLITS", 0)
    if tabled == "none":
        monkeypatch.setattr(paths_module, "MOST_TABLED", 0)
    model = trees.model
    paths = Evaluator(model.program).paths
    assert (paths.cells > 0, paths.leaf_cells > 0) == (tabled == "trees", tabled == "leaves")
    rows = odd_rows(trees.frame).iloc[:6]
    block = filled(model.encoder.columns(rows), 0, len(rows))
    inputs = input_values(model.program, block)
    few = 8  # trees; the definition is slow
    start = model.program.tree_start[: few + 1]
    part = replace(model.program, **{
        name: array[: start[-1]] for name, array in model.program.arrays().items() if name.startswith("node_")
    }, tree_start=start)  # fmt: skip
    found = Evaluator(part).contributions(block)
    for row in range(len(rows)):
        assert np.abs(found[row] - _shapley(part, inputs[row], len(model.features))).max() < 1e-12
    assert np.abs(found).max() > 0.01


def test_without_tables_the_shares_are_the_same(trees: Fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = odd_rows(trees.frame)
    block = filled(trees.model.encoder.columns(rows), 0, len(rows))
    tabled = Evaluator(trees.model.program).contributions(block)
    monkeypatch.setattr(paths_module, "MOST_SPLITS", 0)
    assert np.abs(Evaluator(trees.model.program).contributions(block) - tabled).max() < 1e-12
    monkeypatch.setattr(paths_module, "MOST_TABLED", 0)
    assert np.abs(Evaluator(trees.model.program).contributions(block) - tabled).max() < 1e-12


@pytest.mark.parametrize("splits", [1, 2, 3, 5])
def test_trees_cut_into_branches_give_the_same_shares(
    trees: Fitted, monkeypatch: pytest.MonkeyPatch, splits: int
) -> None:
    rows = odd_rows(trees.frame)
    block = filled(trees.model.encoder.columns(rows), 0, len(rows))
    whole = Evaluator(trees.model.program)
    expected = whole.contributions(block)
    monkeypatch.setattr(paths_module, "MOST_SPLITS", splits)
    cut = Evaluator(trees.model.program)
    assert len(cut.paths.branch_leaf) > len(whole.paths.branch_leaf)
    assert cut.paths.branch_leaf[-1] == cut.paths.leaf_value.size
    assert np.diff(cut.paths.branch_node_start)[cut.paths.table_start >= 0].max() <= splits
    assert np.abs(cut.contributions(block) - expected).max() < 1e-12


def test_contributions_of_lightgbm_are_its_own() -> None:
    """On numbers and flags every column is a player of its own in both."""
    fitted = fit("lightgbm", kinds=("number", "flag"))
    specs = fitted.model.features
    (member,) = fitted.fitted.members
    rows = odd_rows(fitted.frame)
    own = member.model.contributions(member.coder.transform(clean_frame(rows, specs)))
    values, baseline, _ = fitted.model.contributions(rows)
    assert abs(baseline - own[0, -1]) < 1e-9
    assert np.abs(values - own[:, :-1]).max() < 1e-9
    assert (np.abs(values).max(axis=0) > 0.01).sum() > 3
