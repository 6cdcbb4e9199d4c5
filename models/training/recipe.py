"""Trains the candidates on time slices, judges the recipe, and refits the chosen one on all mature rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.calibration.calibrator import Calibrator, Floats, Method, fit_calibrator
from models.evaluation.metrics import Evaluation, evaluate, log_loss_gain, row_log_loss
from models.evaluation.resampling import Interval
from models.features import FeatureSpec
from models.scoring.model import ResurrectionModel, raw_log_odds
from models.scoring.scorecard import Scorecard, calibrated_card, card_score
from models.training.candidates import RECIPES, Recipe, RecipeName, build_pipeline
from models.training.matrix import InputReport, clean_frame, usable_features, without_calendar
from models.training.selection import Choice, choose
from models.training.slices import Slices, plan_slices

CARD: Final = "rule_scorecard"
_LEAST_EVENTS_TO_JUDGE: Final = 20  # fewer in the calibration or test slice say nothing


@dataclass(frozen=True)
class TrainingPlan:
    """What training may use.

    Attributes:
        horizon_days: length of the label window, and of the gap between slices.
        min_people, min_events: distinct people and reactivation events that the training slice needs.
        seed: of fits and resampling.
        threads: OpenMP and BLAS threads; one gives the same model on every machine, and on a busy one less work.
        calibration: method of the learned candidates.
    """

    horizon_days: int = 30
    min_people: int = 1_000
    min_events: int = 120
    seed: int = 7
    threads: int = 1
    calibration: Method = "sigmoid"


@dataclass(frozen=True)
class Candidate:
    """One candidate as judged on the test slice; all figures belong to its twin, not to the refitted model.

    Attributes:
        without_exposure: the same recipe without what we sent; rank measures only. None for the scorecard.
        selection_loss: log loss on the calibration slice, by which the learned candidates are chosen; each has two
            free values of its calibrator there, so the comparison is fair.
    """

    name: str
    params: dict[str, float | int]
    evaluation: Evaluation
    without_exposure: dict[str, float] | None
    selection_loss: float


@dataclass(frozen=True)
class Outcome:
    """What training ended with.

    Attributes:
        refused: why no model was trained; None when one was.
        slices: the time slices, None when the panel is too short.
        train_people, train_events: distinct people and events of the training slice.
        mature_rows, mature_people, mature_events: of all mature rows.
        base_rate: share of mature rows with an outcome, None without rows.
        card: the scorecard, calibrated on outcomes or on a stated prior.
        candidates: judged candidates, the scorecard first.
        model: the refitted live model.
        chosen: its recipe.
        choice: why that recipe, in words.
        gain_over_card: log loss of the scorecard minus that of the chosen twin.
        test: per test row person_id, as_of_date, group, y, p, raw and p_card of the chosen twin.
    """

    refused: str | None
    slices: Slices | None
    train_people: int
    train_events: int
    mature_rows: int
    mature_people: int
    mature_events: int
    base_rate: float | None
    card: Scorecard
    report: InputReport
    features: tuple[FeatureSpec, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    model: ResurrectionModel | None = None
    chosen: str = CARD
    choice: str = ""
    gain_over_card: Interval | None = None
    test: pd.DataFrame | None = None
    last_date: date | None = None


def groups_of(frame: pd.DataFrame) -> NDArray[Any]:
    """Unit of resampling: the account where known, else the person."""
    if "account_id" not in frame.columns:
        return frame["person_id"].to_numpy(dtype=object)
    known = frame["account_id"].notna()
    return frame["account_id"].astype(object).where(known, frame["person_id"]).to_numpy(dtype=object)


def distinct_events(frame: pd.DataFrame) -> int:
    """Distinct reactivations: overlapping windows see one event several times."""
    events = frame.loc[frame["y"].to_numpy(dtype=bool)]
    columns = ["person_id", "event_at"] if "event_at" in frame.columns else ["person_id"]
    return len(events.drop_duplicates(columns))


def train(frame: pd.DataFrame, features: Sequence[FeatureSpec], plan: TrainingPlan) -> Outcome:
    """Train, calibrate, test and refit on mature snapshots.

    Args:
        frame: person_id, account_id, as_of_date (date), y (bool), optionally event_at, and the feature columns;
            sorted by as_of_date and person_id.
        features: features to use.
        plan: sizes, seed and threads.

    Returns:
        An outcome with a model, or with the reason why there is none and a scorecard that works anyway.
    """
    slices = plan_slices(list(frame["as_of_date"].unique()), horizon_days=plan.horizon_days) if len(frame) else None
    y = frame["y"].to_numpy(dtype=bool) if len(frame) else np.zeros(0, dtype=bool)
    train_rows = frame[frame["as_of_date"].isin(slices.train)] if slices else frame.iloc[:0]
    refused = _refusal(frame, slices, train_rows, plan)
    kept, report = usable_features(train_rows if len(train_rows) else frame, features)
    kept, report = without_calendar(kept, report, train_rows["as_of_date"])
    if refused is None and not kept:
        refused = "no feature varies in the training rows"
    facts: dict[str, Any] = {
        "slices": slices,
        "train_people": int(train_rows["person_id"].nunique()),
        "train_events": distinct_events(train_rows),
        "mature_rows": len(frame),
        "mature_people": int(frame["person_id"].nunique()),
        "mature_events": distinct_events(frame),
        "base_rate": float(y.mean()) if y.size else None,
        "card": calibrated_card(frame, y),
        "report": report,
        "last_date": max(frame["as_of_date"]) if len(frame) else None,
    }
    if refused is not None or slices is None:
        return Outcome(refused=refused, **facts)
    with threadpool_limits(plan.threads), warnings.catch_warnings():
        # A budget that ends before the optimum is part of the recipe.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _Trainer(frame, kept, slices, plan).run(facts)


def _refusal(frame: pd.DataFrame, slices: Slices | None, train_rows: pd.DataFrame, plan: TrainingPlan) -> str | None:
    if len(frame) == 0:
        return "no outcome is mature yet"
    y = frame["y"].to_numpy(dtype=bool)
    if not y.any():
        return "nobody came back in the mature rows"
    if y.all():
        return "everybody came back in the mature rows, so there is nothing to tell apart"
    if slices is None:
        dates = frame["as_of_date"].nunique()
        return f"{dates} mature weekly dates are too few for a training, a calibration and a test slice with gaps"
    people, events = int(train_rows["person_id"].nunique()), distinct_events(train_rows)
    if people < plan.min_people or events < plan.min_events:
        return (
            f"{people:,} people with {events:,} reactivations in the training slice; "
            f"{plan.min_people:,} and {plan.min_events:,} are needed"
        )
    for name, dates_of in (("calibration", slices.calibrate), ("test", slices.test)):
        part = frame[frame["as_of_date"].isin(dates_of)]
        found = int(part["y"].sum())
        if found < _LEAST_EVENTS_TO_JUDGE or found == len(part):
            return f"{found} outcomes in the {name} slice; {_LEAST_EVENTS_TO_JUDGE} are needed"
    return None


class _Trainer:
    """One training on prepared slices."""

    def __init__(
        self, frame: pd.DataFrame, features: tuple[FeatureSpec, ...], slices: Slices, plan: TrainingPlan
    ) -> None:
        self.frame = frame
        self.features = features
        self.slices = slices
        self.plan = plan
        self.cleaned = clean_frame(frame, features)
        self.y = frame["y"].to_numpy(dtype=bool)
        days = frame["as_of_date"]
        self.train = np.flatnonzero(days.isin(slices.train))
        self.calibrate = np.flatnonzero(days.isin(slices.calibrate))
        self.test = np.flatnonzero(days.isin(slices.test))
        self.rehearse = np.flatnonzero(days <= slices.rehearsal)
        self.groups = groups_of(frame)
        self.reference = float(self.y[self.rehearse].mean())

    def run(self, facts: dict[str, Any]) -> Outcome:
        """Judge every candidate, choose one, refit it."""
        card, card_p = self._card()
        judged: list[Candidate] = []
        kept: dict[str, tuple[Floats, Floats, Floats]] = {}
        losses: dict[str, Floats] = {}
        for recipe in RECIPES:
            candidate, raws, losses[recipe.name.value] = self._judge(recipe)
            judged.append(candidate)
            kept[candidate.name] = raws
        choice: Choice = choose(losses, self.groups[self.calibrate])
        recipe = next(one for one in RECIPES if one.name.value == choice.name)
        raw_calibrate, raw_test, p_test = kept[choice.name]
        model = self._refit(recipe, raw_calibrate, raw_test)
        test = pd.DataFrame(
            {
                "person_id": self.frame["person_id"].to_numpy()[self.test],
                "as_of_date": self.frame["as_of_date"].to_numpy()[self.test],
                "group": self.groups[self.test],
                "y": self.y[self.test],
                "p": p_test,
                "raw": raw_test,
                "p_card": card_p,
            }
        )
        gain = log_loss_gain(
            y=self.y[self.test], p_new=p_test, p_old=card_p, groups=self.groups[self.test], seed=self.plan.seed
        )
        return Outcome(
            refused=None,
            features=self.features,
            candidates=(card, *judged),
            model=model,
            chosen=choice.name,
            choice=choice.reason,
            gain_over_card=gain,
            test=test,
            **facts,
        )

    def _card(self) -> tuple[Candidate, Floats]:
        card = calibrated_card(self.frame.iloc[self.rehearse], self.y[self.rehearse])
        rows = self.frame.iloc[self.test]
        score = card_score(rows)
        p = card.p(score)
        p_calibrate = card.p(card_score(self.frame.iloc[self.calibrate]))
        loss = float(row_log_loss(p_calibrate, self.y[self.calibrate]).mean())
        return Candidate(CARD, {}, self._evaluation(p, score), None, loss), p

    def _judge(self, recipe: Recipe) -> tuple[Candidate, tuple[Floats, Floats, Floats], Floats]:
        twin = self._fit(recipe, self.train)
        raw_calibrate = raw_log_odds(twin, self.cleaned.iloc[self.calibrate])
        calibrator = self._calibrator(raw_calibrate, self.y[self.calibrate])
        rehearsal = self._fit(recipe, self.rehearse)
        raw = raw_log_odds(rehearsal, self.cleaned.iloc[self.test])
        p = calibrator.apply(raw)
        losses = row_log_loss(calibrator.apply(raw_calibrate), self.y[self.calibrate])
        judged, own = self._evaluation(p, raw), self._without_exposure(recipe)
        candidate = Candidate(recipe.name.value, recipe.params, judged, own, float(losses.mean()))
        return candidate, (raw_calibrate, raw, p), losses

    def _without_exposure(self, recipe: Recipe) -> dict[str, float] | None:
        """Rank measures of the same recipe without what our people and machines sent."""
        own = tuple(spec for spec in self.features if spec.group != "exposure")
        if not own or len(own) == len(self.features):
            return None
        names = [spec.name for spec in own]
        pipeline = build_pipeline(recipe, own, seed=self.plan.seed)
        pipeline.fit(self.cleaned[names].iloc[self.rehearse], self.y[self.rehearse])
        raw = raw_log_odds(pipeline, self.cleaned[names].iloc[self.test])
        judged = self._evaluation(1.0 / (1.0 + np.exp(-np.clip(raw, -30, 30))), raw)
        return {
            "roc_auc": judged.roc_auc.value,
            "roc_auc_low": judged.roc_auc.low,
            "roc_auc_high": judged.roc_auc.high,
            "pr_auc": judged.pr_auc,
            "lift_at_10": judged.lift_at_10.value,
        }

    def _fit(self, recipe: Recipe, rows: NDArray[np.intp]) -> Any:
        pipeline = build_pipeline(recipe, self.features, seed=self.plan.seed)
        return pipeline.fit(self.cleaned.iloc[rows], self.y[rows])

    def _calibrator(self, raw: Floats, y: NDArray[np.bool_]) -> Calibrator:
        return fit_calibrator(raw, y, method=self.plan.calibration)

    def _evaluation(self, p: Floats, raw: Floats) -> Evaluation:
        return evaluate(
            y=self.y[self.test],
            p=p,
            raw=raw,
            groups=self.groups[self.test],
            reference_rate=self.reference,
            seed=self.plan.seed,
        )

    def _refit(self, recipe: Recipe, raw_calibrate: Floats, raw_test: Floats) -> ResurrectionModel:
        """The recipe on all mature rows; its calibrator has seen only scores made out of time."""
        pipeline = self._fit(recipe, np.arange(len(self.frame)))
        calibrator = self._calibrator(
            np.concatenate([raw_calibrate, raw_test]),
            np.concatenate([self.y[self.calibrate], self.y[self.test]]),
        )
        linear = recipe.name is RecipeName.LOGISTIC
        centre = pipeline[0].transform(self.cleaned).mean(axis=0) if linear else np.zeros(0)
        return ResurrectionModel(
            recipe=recipe.name.value,
            features=[[spec.name, spec.kind] for spec in self.features],
            pipeline=pipeline,
            calibration=calibrator.to_dict(),
            centre=centre,
            threads=self.plan.threads,
        )
