"""From what training fitted to the plain model that is persisted and served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from models.calibration.calibrator import Calibrator
from models.features import FeatureSpec
from models.scoring.builder import Builder, Input, Product
from models.scoring.encoder import Encoder, filled, words_column
from models.scoring.flat_trees import hist_trees, lightgbm_trees
from models.scoring.model import ResurrectionModel
from models.scoring.program import Transform
from models.training.codes import Code
from models.training.fitted import BoosterText, FittedRecipe, Member
from models.training.table import TableCoder

_BACKGROUND_ROWS: Final = 20_000
_NAN: Final = float("nan")  # one object, so that equal inputs are found equal


def flatten(
    fitted: FittedRecipe,
    *,
    features: Sequence[FeatureSpec],
    calibrator: Calibrator,
    background: pd.DataFrame,
    threads: int = 1,
) -> ResurrectionModel:
    """The plain model of a fitted recipe.

    Args:
        fitted: the recipe with its members.
        features: those that it was fitted with.
        calibrator: raw log odds -> p.
        background: training rows; contributions of linear parts are told against their means.
        threads: stored with the model in memory, not in its file.

    Raises:
        TypeError: a step that has no plain form.
    """
    parts = list(zip(fitted.members or [], np.asarray(fitted.shares).tolist(), strict=True))
    coders = [_coder(member) for member, _ in parts]
    encoder = Encoder(
        names=tuple(spec.name for spec in features),
        kinds=tuple(spec.kind for spec in features),
        categories=_categories(coders, features),
        words=_words(coders),
    )
    builder = Builder(encoder.column_names, dict(encoder.categories))
    for (member, share), coder in zip(parts, coders, strict=True):
        _add(builder, coder, member.model, share)
    rows = np.unique(np.linspace(0, len(background) - 1, min(_BACKGROUND_ROWS, len(background))).astype(int))
    columns = encoder.columns(background.iloc[rows])
    program = builder.program(filled(columns, 0, len(rows)))
    return ResurrectionModel(
        fitted.recipe, tuple(features), encoder.categories, encoder.words, program, calibrator, threads
    )


def _coder(member: Member) -> TableCoder:
    if member.coder is None:
        raise AssertionError("a member needs its coder")
    return member.coder


def _add(builder: Builder, coder: TableCoder, model: Any, share: float) -> None:
    columns = _table_columns(builder, coder)
    if isinstance(model, LogisticRegression):
        weights, intercept = share * model.coef_[0], share * float(model.intercept_[0])
        # A product enters as (z_a z_b - mean) / scale.
        own = len(weights) - len(coder.pairs_)
        intercept -= float((weights[own:] * coder.pair_means_ / coder.pair_scales_).sum())
        builder.add_linear(columns, np.concatenate([weights[:own], weights[own:] / coder.pair_scales_]), intercept)
        return
    inputs = [column for column in columns if isinstance(column, Input)]
    if len(inputs) != len(columns):
        raise TypeError("trees on products have no plain form")
    if isinstance(model, HistGradientBoostingClassifier):
        builder.add_trees(*hist_trees(model, inputs), share=share)
    elif isinstance(model, BoosterText):
        builder.add_trees(lightgbm_trees(model.text, inputs), 0.0, share=share)
    else:
        raise TypeError(f"{type(model).__name__} has no plain form; add one to models/scoring/flatten.py")


def _categories(coders: Sequence[TableCoder], features: Sequence[FeatureSpec]) -> dict[str, tuple[str, ...]]:
    """Every category that some coder knows, in alphabetical order."""
    found: dict[str, set[str]] = {spec.name: set() for spec in features if spec.kind == "category"}
    for code in (code for coder in coders for code in coder.codes_):
        if code["kind"] in ("one_hot", "target"):
            found.setdefault(code["feature"], set()).update(code["values"])
    return {name: tuple(sorted(known)) for name, known in found.items()}


def _words(coders: Sequence[TableCoder]) -> dict[str, tuple[int, ...]]:
    """Feature -> numbers of buckets by which some coder reads its words."""
    found: dict[str, set[int]] = {}
    for code in (code for coder in coders for code in coder.codes_):
        if code["kind"] == "words":
            found.setdefault(code["feature"], set()).add(int(code["buckets"]))
    return {name: tuple(sorted(buckets)) for name, buckets in sorted(found.items())}


def _mark(name: str, mean: float, scale: float) -> Input:
    return Input(Transform.MARK, name, ((1.0 - mean) / scale, (0.0 - mean) / scale))


def _table_columns(builder: Builder, coder: TableCoder) -> list[Input | Product]:
    means, scales = coder.means_.tolist(), coder.scales_.tolist()
    columns: list[Input | Product] = []
    for code in coder.codes_:
        columns += _code_columns(builder, code, means[len(columns) :], scales[len(columns) :])
    singles = [column for column in columns if isinstance(column, Input)]
    return [*columns, *(Product(singles[a], singles[b]) for a, b in coder.pairs_.tolist())]


def _code_columns(builder: Builder, code: Code, means: Sequence[float], scales: Sequence[float]) -> list[Input]:
    """Columns of one code, scaled; means and scales begin with those of its first column."""
    name, kind = str(code["feature"]), code["kind"]
    if kind == "plain":
        return [Input(Transform.STANDARD, name, (means[0], scales[0], _NAN))]
    if kind == "number":
        return _curve_columns(code, means, scales)
    if kind == "one_hot":
        known = code["values"]
        return [
            builder.table(name, known, [(float(one == other) - mean) / scale for other in known], (0.0 - mean) / scale)
            for one, mean, scale in zip(known, means, scales, strict=False)
        ]
    if kind == "target":
        scores = [(score - means[0]) / scales[0] for score in code["scores"]]
        return [builder.table(name, code["values"], scores, (0.0 - means[0]) / scales[0])]
    if kind == "words":
        buckets = int(code["buckets"])
        return [
            Input(Transform.STANDARD, words_column(name, buckets, bucket), (means[bucket], scales[bucket], _NAN))
            for bucket in range(buckets)
        ]
    raise TypeError(f"a code of kind {kind} has no plain form; add one to models/scoring/flatten.py")


def _curve_columns(code: Code, means: Sequence[float], scales: Sequence[float]) -> list[Input]:
    name, knots = str(code["feature"]), code["knots"]
    squeeze, low, high = float(code["squeeze"]), float(code["low"]), float(code["high"])
    filled_with = min(max(float(code["fill"]), low), high)
    missing = (filled_with - means[0]) / scales[0]
    columns = [Input(Transform.CLIPPED, name, (means[0], scales[0], missing, squeeze, low, high))]
    for index, knot in enumerate(knots[:-2], start=1):
        numbers = (means[index], scales[index], filled_with, squeeze, low, high, knot, knots[-2], knots[-1],
                   (knots[-1] - knots[0]) ** 2)  # fmt: skip
        columns.append(Input(Transform.CURVE, name, tuple(float(number) for number in numbers)))
    if code["marked"]:
        columns.append(_mark(name, means[len(columns)], scales[len(columns)]))
    return columns
