"""The resurrection model: features, encoder, program, calibrator and reasons as one plain object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.errors import BadInputError
from models.calibration.calibrator import Calibrator, Floats, logit
from models.features import FeatureSpec
from models.scoring.container import pack, unpack
from models.scoring.encoder import TEXT_KINDS, Encoder, filled
from models.scoring.evaluator import Evaluator, Loops, by_blocks
from models.scoring.program import Program, checked_program

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
_MOST_BUCKETS = 4_096
_FACTS = {"schema_version", "recipe", "features", "categories", "words", "calibrator"}


@dataclass(frozen=True)
class ResurrectionModel:
    """A fitted recipe that answers with calibrated p and says why.

    Attributes:
        recipe: name of the recipe.
        features: what the model reads, in order, with the words of its reasons.
        categories: feature -> known categories.
        words: feature -> numbers of buckets by which the words of a text are read.
        program: how raw log odds are made.
        calibrator: raw log odds -> p.
        threads: rows are worked on by so many threads at once.
        loops: None for compiled ones where they work.
    """

    recipe: str
    features: tuple[FeatureSpec, ...]
    categories: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[int, ...]]
    program: Program
    calibrator: Calibrator
    threads: int = 1
    loops: Loops | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features that the model reads."""
        return tuple(spec.name for spec in self.features)

    @cached_property
    def encoder(self) -> Encoder:
        """From frames and described leads to the program's matrix."""
        return Encoder(self.feature_names, tuple(spec.kind for spec in self.features), self.categories, self.words)

    @cached_property
    def evaluator(self) -> Evaluator:
        """The program, ready to answer."""
        return Evaluator(self.program, loops=self.loops)

    def raw(self, frame: pd.DataFrame, *, threads: int | None = None) -> Floats:
        """Uncalibrated log odds, shape (rows,); ranks without ties where the calibrator makes some."""
        columns = self.encoder.columns(frame)
        out = np.empty(len(frame))
        by_blocks(
            len(frame),
            lambda start, stop: filled(columns, start, stop),
            self.evaluator.raw,
            out,
            threads=threads or self.threads,
        )
        return out

    def p(self, frame: pd.DataFrame, *, threads: int | None = None) -> Floats:
        """Calibrated P(reactivated within the horizon, handled as usual), shape (rows,)."""
        return self.calibrate(self.raw(frame, threads=threads))

    def calibrate(self, raw: Floats) -> Floats:
        """p of raw log odds, clipped to [1/(n+2), 1 - 1/(n+2)], n the rows of the calibrator."""
        return self.calibrator.apply(raw)

    def contributions(self, frame: pd.DataFrame, *, threads: int | None = None) -> tuple[Floats, float, Floats]:
        """Why: contributions (rows, features), baseline, and the named `calibration` term (rows,).

        contributions.sum(axis=1) + baseline + calibration = logit(p). Linear parts: weight times distance from the
        training mean, products shared by halves. Trees: exact path-dependent Shapley values (Lundberg et al., 2020).
        """
        columns = self.encoder.columns(frame)
        values = np.empty((len(frame), len(columns)))
        evaluator = self.evaluator
        evaluator.prepare()
        by_blocks(
            len(frame),
            lambda start, stop: filled(columns, start, stop),
            evaluator.contributions,
            values,
            threads=threads or self.threads,
        )
        values = self.by_feature(values)
        raw = values.sum(axis=1) + evaluator.baseline
        return values, evaluator.baseline, logit(self.calibrate(self.raw(frame, threads=threads))) - raw

    def by_feature(self, values: Floats) -> Floats:
        """Contributions by column added up by feature, shape (rows, columns) -> (rows, features)."""
        own = len(self.features)
        if values.shape[1] == own:
            return values
        total = values[:, :own].copy()
        for column, source in enumerate(self.encoder.sources[own:].tolist(), start=own):
            total[:, source] += values[:, column]
        return total

    def p_one(self, values: Mapping[str, Any]) -> float:
        """p of one described lead: feature -> number, text or None; absent features are missing."""
        return float(self.calibrator.apply(self.evaluator.raw(self.encoder.row(values)))[0])

    def with_calibrator(self, calibrator: Calibrator) -> ResurrectionModel:
        """The same model with another calibrator: ranks stay, p moves."""
        return replace(self, calibrator=calibrator)

    def to_bytes(self) -> bytes:
        """The model as a plain file; the same model gives the same bytes."""
        facts = {
            "schema_version": SCHEMA_VERSION,
            "recipe": self.recipe,
            "features": [[s.name, s.kind, s.group, s.description, s.words] for s in self.features],
            "categories": {name: list(known) for name, known in self.categories.items()},
            "words": {name: list(counts) for name, counts in self.words.items()},
            "calibrator": self.calibrator.to_dict(),
        }
        return pack(facts, self.program.arrays())

    @staticmethod
    def from_bytes(data: bytes, *, where: str, threads: int = 1) -> ResurrectionModel:
        """A model from its plain file; nothing is evaluated before all of it is checked.

        Raises:
            BadInputError: changed, cut short, of another version, or pointing outside itself.
        """
        facts, arrays = unpack(data, where=where)
        try:
            if set(facts) != _FACTS or facts["schema_version"] != SCHEMA_VERSION:
                raise ValueError("its facts are not those of this version")
            features = tuple(_spec(one) for one in facts["features"])
            categories = {_text(name): tuple(map(_text, known)) for name, known in facts["categories"].items()}
            words = {_text(name): tuple(map(_count, counts)) for name, counts in facts["words"].items()}
            if not {*categories, *words} <= {spec.name for spec in features if spec.kind in TEXT_KINDS}:
                raise ValueError("its categories are not those of its features")
            if len({spec.name for spec in features}) != len(features):
                raise ValueError("it names a feature twice")
            calibrator = _checked_calibrator(facts["calibrator"])
            recipe = _text(facts["recipe"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInputError(
                f"The model cannot be used: {error}.",
                where=where,
                remedy="Restore the file, or run `recovery rollback`; a file of a newer release needs that release.",
            ) from error
        encoder = Encoder(
            tuple(spec.name for spec in features), tuple(spec.kind for spec in features), categories, words
        )
        program = checked_program(arrays, tables=encoder.tables, where=where)
        return ResurrectionModel(recipe, features, categories, words, program, calibrator, threads)


def _spec(one: Any) -> FeatureSpec:
    name, kind, group, description, words = map(_text, one)
    if kind not in ("number", "flag", *TEXT_KINDS):
        raise ValueError(f"feature {name[:40]} is of an unknown kind")
    return FeatureSpec(name, kind, group, description, words)  # type: ignore[arg-type]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is missing")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MOST_BUCKETS:
        raise ValueError("a number of buckets is out of range")
    return value


def _checked_calibrator(data: Any) -> Calibrator:
    calibrator = Calibrator.from_dict(data)
    # Any text file may claim a calibrator: its answers must be chances that never fall.
    p = calibrator.apply(np.linspace(-40.0, 40.0, 801))
    if calibrator.rows < 0 or not (np.isfinite(p).all() and (p > 0).all() and (p < 1).all()):
        raise ValueError("its calibrator gives no chances")
    if (np.diff(p) < -1e-12).any():
        raise ValueError("its calibrator falls")
    return calibrator


def raw_log_odds(pipeline: Any, cleaned: pd.DataFrame) -> Floats:
    """Decision function of a fitted scikit-learn pipeline as float64, shape (rows,)."""
    return np.asarray(pipeline.decision_function(cleaned), dtype=np.float64)
