"""One training on time slices: search on the earlier dates, a judgement on the latest, a refit on all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Floats, expit
from models.calibration.choice import CalibrationChoice, choose_calibrator
from models.evaluation.metrics import Evaluation, evaluate, log_loss_gain, row_log_loss
from models.evaluation.slices import by_slice, slices_of
from models.features import FeatureSpec
from models.scoring.scorecard import calibrated_card, card_score
from models.training.candidates import Recipe, RecipeName
from models.training.fitted import FittedRecipe
from models.training.fitting import Lesson, fit_all
from models.training.folds import Fold
from models.training.matrix import clean_frame
from models.training.outcome import CARD, Candidate, Outcome, TrainingPlan, groups_of
from models.training.search import SearchPlan, SearchResult, resurrection_model, search
from models.training.slices import Slices


@dataclass(frozen=True)
class _Fits:
    rehearsed: dict[str, FittedRecipe]
    refitted: FittedRecipe
    without_exposure: FittedRecipe | None


class Trainer:
    """Judges every candidate out of time, chooses one and refits it.

    Args:
        frame: mature snapshots, as for `train`.
        features: features that vary in the training slice.
        slices: of the panel.
        plan: sizes, seed and threads.
    """

    def __init__(
        self, frame: pd.DataFrame, features: tuple[FeatureSpec, ...], slices: Slices, plan: TrainingPlan
    ) -> None:
        self.frame = frame
        self.features = features
        self.plan = plan
        self.cleaned = clean_frame(frame, features)
        self.y = frame["y"].to_numpy(dtype=bool)
        days = frame["as_of_date"]
        self.train = np.flatnonzero(days.isin(slices.train))
        self.calibrate = np.flatnonzero(days.isin(slices.calibrate))
        self.test = np.flatnonzero(days.isin(slices.test))
        self.rehearse = np.flatnonzero(days <= slices.rehearsal)
        self.groups = groups_of(frame)
        self.codes = pd.factorize(self.groups)[0]
        self.reference = float(self.y[self.rehearse].mean())

    def run(self, facts: dict[str, Any]) -> Outcome:
        """Search, judge on the test dates, refit."""
        found = search(
            self.cleaned,
            self.y,
            self.features,
            folds=[Fold(self.train, self.calibrate)],
            groups=self.codes,
            order=self.frame["as_of_date"].to_numpy(),
            plan=SearchPlan(seed=self.plan.seed, threads=self.plan.threads, recipes=self.plan.recipes),
        )
        card, card_p = self._card()
        fits = self._fits(found)
        raw_test = self._rehearsed(found.recipes, fits.rehearsed)
        choices = {name: self._calibrated(found.raw[name][self.calibrate], self.calibrate) for name in found.recipes}
        p_test = {name: choices[name].calibrator.apply(raw) for name, raw in raw_test.items()}
        chosen = found.chosen.name.value
        judged = [
            Candidate(
                name=name,
                params=params_of(found.for_rows(recipe, len(self.frame))),
                evaluation=self._evaluation(p_test[name], raw_test[name]),
                without_exposure=self._without_exposure(fits.without_exposure) if name == chosen else None,
                selection_loss=self._selection_loss(choices[name], found.raw[name]),
            )
            for name, recipe in found.recipes.items()
        ]
        # The live calibrator has seen only scores made out of time: of the calibration and of the test dates.
        late = np.concatenate([self.calibrate, self.test])
        final = self._calibrated(np.concatenate([found.raw[chosen][self.calibrate], raw_test[chosen]]), late)
        y, groups, p = self.y[self.test], self.groups[self.test], p_test[chosen]
        labels = slices_of(self.frame.iloc[self.test], p, anchor=self.reference)
        return Outcome(
            refused=None,
            features=self.features,
            candidates=(card, *judged),
            model=resurrection_model(
                fits.refitted, self.features, final.calibrator, background=self.cleaned, threads=self.plan.threads
            ),
            chosen=chosen,
            choice=found.reason,
            calibration=final.reason,
            gain_over_card=log_loss_gain(y=y, p_new=p, p_old=card_p, groups=groups, seed=self.plan.seed),
            test=self._test_table(p, raw_test[chosen], card_p),
            parts=tuple(by_slice(y=y, p=p, groups=groups, labels=labels, seed=self.plan.seed)),
            **facts,
        )

    def _fits(self, found: SearchResult) -> _Fits:
        """Every recipe up to one horizon before the test dates, the chosen one also without exposure and on all rows.

        All at once: none waits for another.
        """
        rehearsal = self._lesson(self.rehearse)
        single = {name: recipe for name, recipe in found.recipes.items() if not recipe.members}
        before = [found.for_rows(recipe, self.rehearse.size) for recipe in single.values()]
        wanted = [(recipe, rehearsal) for recipe in before]
        everyone = np.arange(len(self.frame))
        wanted.append((found.for_rows(found.chosen, everyone.size), self._lesson(everyone)))
        own = tuple(spec for spec in self.features if spec.group != "exposure")
        if 0 < len(own) < len(self.features):
            wanted.append((found.for_rows(found.chosen, self.rehearse.size), self._lesson(self.rehearse, own)))
        fitted = fit_all(wanted)
        rest = fitted[len(single) :]
        return _Fits(dict(zip(single, fitted, strict=False)), rest[0], rest[1] if len(rest) > 1 else None)

    def _rehearsed(self, recipes: dict[str, Recipe], fitted: dict[str, FittedRecipe]) -> dict[str, Floats]:
        """Raw log odds of the test rows by recipes that learned up to one horizon before them."""
        rows = self.cleaned.iloc[self.test]
        raw = {name: one.decision_function(rows) for name, one in fitted.items()}
        average = recipes.get(RecipeName.AVERAGE.value)
        if average is not None:
            raw[average.name.value] = np.mean([raw[one.name.value] for one in average.members], axis=0)
        return raw

    def _card(self) -> tuple[Candidate, Floats]:
        card = calibrated_card(self.frame.iloc[self.rehearse], self.y[self.rehearse])
        rows = self.frame.iloc[self.test]
        score = card_score(rows)
        p = card.p(score)
        p_calibrate = card.p(card_score(self.frame.iloc[self.calibrate]))
        loss = float(row_log_loss(p_calibrate, self.y[self.calibrate]).mean())
        return Candidate(CARD, {}, self._evaluation(p, score), None, loss), p

    def _without_exposure(self, fitted: FittedRecipe | None) -> dict[str, float] | None:
        """Rank measures of the same recipe without what our people and machines sent."""
        if fitted is None:
            return None
        raw = fitted.decision_function(self.cleaned.iloc[self.test])
        judged = self._evaluation(expit(np.clip(raw, -30, 30)), raw)
        return {
            "roc_auc": judged.roc_auc.value,
            "roc_auc_low": judged.roc_auc.low,
            "roc_auc_high": judged.roc_auc.high,
            "pr_auc": judged.pr_auc,
            "lift_at_10": judged.lift_at_10.value,
        }

    def _lesson(self, rows: NDArray[np.intp], features: tuple[FeatureSpec, ...] | None = None) -> Lesson:
        used = self.features if features is None else features
        table = self.cleaned[[spec.name for spec in used]]
        return Lesson(
            cleaned=table if rows.size == len(table) else table.iloc[rows],
            y=self.y[rows],
            features=used,
            weights=np.ones(rows.size),
            groups=self.codes[rows],
            seed=self.plan.seed,
            threads=self.plan.threads,
        )

    def _calibrated(self, raw: Floats, rows: NDArray[np.intp]) -> CalibrationChoice:
        return choose_calibrator(raw, self.y[rows], groups=self.codes[rows], seed=self.plan.seed)

    def _selection_loss(self, choice: CalibrationChoice, raw: Floats) -> float:
        rows = self.calibrate
        return float(row_log_loss(choice.calibrator.apply(raw[rows]), self.y[rows]).mean())

    def _evaluation(self, p: Floats, raw: Floats) -> Evaluation:
        return evaluate(
            y=self.y[self.test],
            p=p,
            raw=raw,
            groups=self.groups[self.test],
            reference_rate=self.reference,
            seed=self.plan.seed,
        )

    def _test_table(self, p: Floats, raw: Floats, card_p: Floats) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "person_id": self.frame["person_id"].to_numpy()[self.test],
                "as_of_date": self.frame["as_of_date"].to_numpy()[self.test],
                "group": self.groups[self.test],
                "y": self.y[self.test],
                "p": p,
                "raw": raw,
                "p_card": card_p,
            }
        )


def params_of(recipe: Recipe) -> dict[str, float | int]:
    """Parameters as they are logged; an average tells those of its members."""
    if not recipe.members:
        return dict(recipe.params)
    return {f"{one.name.value}.{key}": value for one in recipe.members for key, value in one.params.items()}
