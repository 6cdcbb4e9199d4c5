"""Answers of a model to columns of described leads, without a data frame between: for requests, small and large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.features import FeatureSpec
from models.scoring.encoder import Encoder
from models.scoring.evaluator import ROWS_AT_ONCE
from models.scoring.model import ResurrectionModel
from models.scoring.points import POINTS_PER_LOGIT
from models.scoring.reasons import REASONS, phrase

_FEW: Final = 64  # rows up to which a plain loop beats the machinery of large batches


def block_of(encoder: Encoder, columns: Mapping[str, NDArray[Any]]) -> Floats:
    """Matrix of described leads, shape (leads, columns of the encoder).

    Args:
        encoder: of the model.
        columns: feature -> values, shape (leads,): float64 with NaN, or objects with None. Absent features are missing.
    """
    leads = len(next(iter(columns.values()))) if columns else 0
    if leads <= _FEW or encoder.words:
        rows = [encoder.row({name: values[at] for name, values in columns.items()}) for at in range(leads)]
        return np.concatenate(rows) if rows else np.zeros((0, len(encoder.column_names)))
    out = np.full((leads, len(encoder.column_names)), np.nan)
    for place, (name, kind) in enumerate(zip(encoder.names, encoder.kinds, strict=True)):
        values = columns.get(name)
        if kind == "category":
            out[:, place] = _codes(encoder, name, values, leads)
        elif values is not None:
            numbers = np.asarray(values, dtype=np.float64)
            out[:, place] = np.where(np.isinf(numbers), np.nan, numbers)
    return out


def _codes(encoder: Encoder, name: str, values: NDArray[Any] | None, leads: int) -> Floats:
    texts = [None] * leads if values is None else values.tolist()
    code = {text: float(encoder.row({name: text})[0, encoder.names.index(name)]) for text in set(texts)}
    return np.array([code[text] for text in texts])


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
    said: dict[tuple[int, Any], tuple[str, str | None]] = {}
    answers = []
    for lead in range(len(contributions)):
        reasons = []
        for place, index in enumerate(top[lead].tolist()):
            spec = features[index]
            value = columns[spec.name][lead]
            key = (index, value if value == value else None)
            if key not in said:
                one = phrase(spec, value)
                said[key] = (one.words, one.value)
            words, given = said[key]
            reasons.append({"code": spec.name, "words": words, "points": float(points[lead, place]), "value": given})
        answers.append(reasons)
    return answers
