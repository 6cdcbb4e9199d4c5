"""Answers of a model to columns of described leads, without a data frame between: for requests, small and large."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.calibration.calibrator import Floats
from models.feature_batch import FeatureTable, places_of
from models.features import FeatureSpec
from models.scoring.compiled import compiled
from models.scoring.encoder import Encoder
from models.scoring.evaluator import ROWS_AT_ONCE
from models.scoring.model import ResurrectionModel
from models.scoring.points import POINTS_PER_LOGIT
from models.scoring.reasons import REASONS, phrase


def block_of(encoder: Encoder, table: FeatureTable) -> Floats:
    """Matrix of described leads, shape (leads, columns of the encoder); features that are not declared are missing."""
    leads = len(table)
    if encoder.words:
        columns = table.columns()
        rows = [encoder.row({name: values[at] for name, values in columns.items()}) for at in range(leads)]
        return np.concatenate(rows) if rows else np.zeros((0, len(encoder.column_names)))
    out = np.empty((leads, len(encoder.column_names)))
    places, names = encoder.numbers
    fill_numbers(table.numbers, places_of(names), places, out)
    unstated = (None,) * leads
    for place, name in encoder.texts:
        for lead, text in enumerate(table.texts.get(name, unstated)):
            out[lead, place] = encoder.code(name, text)
    return out


@compiled
def fill_numbers(numbers: Any, source: Any, target: Any, out: Any) -> None:
    """Copy rows `source` of numbers (features, leads) to columns `target` of out (leads, columns).

    What is infinite, or has no row (-1), becomes NaN.
    """
    for at in range(source.size):
        row, column = source[at], target[at]
        for lead in range(out.shape[0]):
            value = numbers[row, lead] if row >= 0 else np.nan
            out[lead, column] = np.nan if math.isinf(value) else value


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
    table: FeatureTable, features: Sequence[FeatureSpec], contributions: Floats
) -> list[list[dict[str, Any]]]:
    """Strongest reasons of each lead, as `models.scoring.reasons.reasons_table` gives them.

    Args:
        table: the features of the leads.
        features: in the order of the columns of `contributions`.
        contributions: on the logit scale, shape (leads, features).
    """
    top = np.empty((len(contributions), min(REASONS, len(features))), np.int64)
    points = np.empty(top.shape)
    strongest(contributions, POINTS_PER_LOGIT, top, points)
    answers = []
    for lead, (places, shown) in enumerate(zip(top.tolist(), points.tolist(), strict=True)):
        reasons = []
        for index, point in zip(places, shown, strict=True):
            spec = features[index]
            value = table.value(spec.name, lead)
            one = phrase(spec, None if value != value else value)
            reasons.append({"code": spec.name, "words": one.words, "points": point, "value": one.value})
        answers.append(reasons)
    return answers


@compiled
def strongest(contributions: Any, scale: float, top: Any, shown: Any) -> None:
    """Fill `top` (leads, places) with the columns of the largest absolute values, a tie going to the first column.

    `shown` of the same shape receives `scale` times these values, rounded to two digits as numpy rounds.
    """
    for lead in range(contributions.shape[0]):
        held = 0
        for column in range(contributions.shape[1]):
            size = abs(contributions[lead, column])
            place = held
            while place > 0 and abs(contributions[lead, top[lead, place - 1]]) < size:
                place -= 1
            if place >= top.shape[1]:
                continue
            held = min(held + 1, top.shape[1])
            for at in range(held - 1, place, -1):
                top[lead, at] = top[lead, at - 1]
            top[lead, place] = column
        for at in range(top.shape[1]):
            shown[lead, at] = np.rint(scale * contributions[lead, top[lead, at]] * 100.0) / 100.0
