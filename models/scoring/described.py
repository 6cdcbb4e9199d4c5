"""Answers of a model to columns of described leads, without a data frame between: for requests, small and large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.scoring.encoder import Encoder
from models.scoring.evaluator import ROWS_AT_ONCE
from models.scoring.model import ResurrectionModel
from models.scoring.points import POINTS_PER_LOGIT
from models.scoring.reasons import REASONS, phrase


def block_of(encoder: Encoder, columns: Mapping[str, NDArray[Any]]) -> Floats:
    """Matrix of described leads, shape (leads, columns of the encoder).

    Args:
        encoder: of the model.
        columns: feature -> values, shape (leads,): float64 with NaN, or objects with None. Absent features are missing.
    """
    leads = len(next(iter(columns.values()))) if columns else 0
    if encoder.words:
        rows = [encoder.row({name: values[at] for name, values in columns.items()}) for at in range(leads)]
        return np.concatenate(rows) if rows else np.zeros((0, len(encoder.column_names)))
    out = np.empty((leads, len(encoder.column_names)))
    unknown = np.full(leads, np.nan)
    places, names = encoder.numbers
    numbers = np.array([columns.get(name, unknown) for name in names], dtype=np.float64).reshape(len(names), leads)
    out[:, places] = np.where(np.isinf(numbers), np.nan, numbers).T
    for place, name in encoder.texts:
        out[:, place] = _codes(encoder, name, columns.get(name), leads)
    return out


def _codes(encoder: Encoder, name: str, values: NDArray[Any] | None, leads: int) -> Floats:
    texts = [None] * leads if values is None else values.tolist()
    return np.array([encoder.code(name, text) for text in texts], dtype=np.float64)


def raw_of(model: ResurrectionModel, block: Floats) -> Floats:
    """Raw log odds of a matrix, shape (leads,)."""
    parts = [model.evaluator.raw(block[at : at + ROWS_AT_ONCE]) for at in range(0, len(block), ROWS_AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0)


def contributions_of(model: ResurrectionModel, block: Floats) -> Floats:
    """Contributions by feature on the logit scale, shape (leads, features)."""
    parts = [model.evaluator.contributions(block[at : at + ROWS_AT_ONCE]) for at in range(0, len(block), ROWS_AT_ONCE)]
    values = np.concatenate(parts) if parts else np.zeros((0, len(model.encoder.column_names)))
    return model.by_feature(values)


def reasons_of(
    columns: Mapping[str, NDArray[Any]], features: Sequence[FeatureSpec], contributions: Floats
) -> list[list[dict[str, Any]]]:
    """Strongest reasons of each lead, as `models.scoring.reasons.reasons_table` gives them.

    Args:
        columns: feature -> values, shape (leads,).
        features: in the order of the columns of `contributions`.
        contributions: on the logit scale, shape (leads, features).
    """
    top = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :REASONS]
    points = np.round(np.take_along_axis(POINTS_PER_LOGIT * contributions, top, axis=1), 2)
    answers = []
    for lead in range(len(contributions)):
        reasons = []
        for place, index in enumerate(top[lead].tolist()):
            spec = features[index]
            value = columns[spec.name][lead]
            one = phrase(spec, None if value != value else value)
            reasons.append(
                {"code": spec.name, "words": one.words, "points": float(points[lead, place]), "value": one.value}
            )
        answers.append(reasons)
    return answers
