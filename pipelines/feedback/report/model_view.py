"""The model's state as the page shows it: a paragraph, a few figures, two pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipelines.feedback.report import charts
from pipelines.feedback.report.facts import Facts
from pipelines.feedback.report.words import clean, count, decimal, percent, plain


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its name and what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with its caption."""

    chart: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class ModelView:
    """What the section about the model shows."""

    paragraph: str
    decision: str
    is_rules: bool
    figures: tuple[Figure, ...]
    pictures: tuple[Picture, ...]


def model_view(model: Facts) -> ModelView:
    """View of the published `model_state`; without one, the words for "not yet"."""
    if not model:
        return ModelView("No model has been trained or refused for this day yet.", "", False, (), ())
    is_rules = model.get("score_kind") == "rules"
    paragraph = clean(model.get("paragraph"), 2_000) or _paragraph(model, is_rules=is_rules)
    reason = clean(model.get("decision_reason"), 600)
    decision = clean(model.get("decision"), 200)
    told = f"{plain(decision).capitalize()}: {reason}" if decision and reason else reason or plain(decision)
    pictures = [_calibration(model), _lift(model)]
    return ModelView(
        paragraph=paragraph,
        decision="" if told and told in paragraph else told,
        is_rules=is_rules,
        figures=_figures(model),
        pictures=tuple(picture for picture in pictures if picture is not None),
    )


def _paragraph(model: Facts, *, is_rules: bool) -> str:
    name = plain(str(model.get("name") or "a model"))
    if is_rules:
        return (
            f"Scores come from fixed rules ({name}): there is too little history to learn from. "
            "They order leads by title, company size and industry."
        )
    people, events = model.get("train_people"), model.get("train_events")
    return (
        f"The live model is {name}, trained on {count(people)} people of whom {count(events)} came back. "
        f"About {percent(model.get('base_rate'))} of dormant leads come back by themselves within the horizon."
    )


def _figures(model: Facts) -> tuple[Figure, ...]:
    found = []
    auc, interval = model.get("roc_auc"), model.get("roc_auc_interval")
    if auc is not None:
        spread = f", {interval[0]:.2f} to {interval[1]:.2f}" if interval and _is_pair(interval) else ""
        found.append(Figure("ROC-AUC", decimal(auc), f"0.5 is chance, 1 is perfect{spread}"))
    if model.get("log_loss_skill") is not None:
        skill = float(model["log_loss_skill"])
        found.append(Figure("Skill", percent(skill), "better than always saying the average"))
    if model.get("lift_at_10") is not None:
        found.append(Figure("Lift", f"{model['lift_at_10']:.1f}x", "returns in the best tenth, against average"))
    if model.get("ece") is not None:
        perfect = model.get("ece_expected")
        against = f"a perfect model would show {percent(perfect, 2)}" if perfect is not None else "0 is perfect"
        found.append(Figure("Calibration error", percent(model["ece"], 2), against))
    if model.get("base_rate") is not None:
        found.append(Figure("Base rate", percent(model["base_rate"]), "come back by themselves"))
    return tuple(found)


def _calibration(model: Facts) -> Picture | None:
    bins = _triples(_nested(model, "calibration", "bins") or model.get("calibration_bins"))
    if bins:
        return Picture(charts.calibration(bins), "Promised against observed; on the line is right.")
    ratio = _nested(model, "calibration", "top_decile")
    if not isinstance(ratio, int | float):
        return None
    chart = charts.pair(("promised", "happened"), (1.0, float(ratio)), ("1.00", decimal(float(ratio))))
    return Picture(chart, "Best tenth of the list: for one promised return, so many happened.")


def _lift(model: Facts) -> Picture | None:
    curve = _pairs(model.get("lift_curve"))
    if curve:
        return Picture(charts.lift(curve), "How many times the average the best-ranked part holds.")
    value = model.get("lift_at_10")
    if value is None:
        return None
    chart = charts.pair(("any tenth", "best tenth"), (1.0, float(value)), ("1.0x", f"{float(value):.1f}x"))
    return Picture(chart, "Returns in the best-ranked tenth of the list, against a tenth drawn by lot.")


def _nested(model: Facts, outer: str, inner: str) -> Any:
    value = model.get(outer)
    return value.get(inner) if isinstance(value, dict) else None


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, int | float) for v in value)


def _triples(rows: Any) -> list[tuple[float, float, float]]:
    """Bins given as mappings {promised, observed, rows} or as sequences in that order."""
    found = _numbers(rows, ("promised", "observed", "rows"))
    return [(row[0], row[1], row[2]) for row in found]


def _pairs(rows: Any) -> list[tuple[float, float]]:
    """Points given as mappings {share, lift} or as pairs."""
    return [(row[0], row[1]) for row in _numbers(rows, ("share", "lift"))]


def _numbers(rows: Any, names: tuple[str, ...]) -> list[list[float]]:
    """Rows as lists of floats in the order of `names`; rows that lack a number are left out."""
    if not isinstance(rows, list | tuple):
        return []
    found = []
    for row in rows:
        values = [row.get(name) for name in names] if isinstance(row, dict) else list(row)[: len(names)]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) == len(names):
            found.append(numbers)
    return found
