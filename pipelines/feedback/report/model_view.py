"""The model's state as the page shows it: a paragraph, a few figures, two pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from pipelines.feedback.report import charts
from pipelines.feedback.report.facts import Facts
from pipelines.feedback.report.words import NBSP, clean, count, decimal, percent, plain

# The caption of the gains chart speaks of this share of the list.
_FIFTH: Final = 0.2


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
    pictures = [_calibration(model), _gains(model)]
    return ModelView(
        paragraph=_tied(paragraph),
        decision="" if reason and reason in paragraph else _tied(told),
        is_rules=is_rules,
        figures=_figures(model),
        pictures=tuple(picture for picture in pictures if picture is not None),
    )


def _tied(text: str) -> str:
    """Text whose per cent signs stay with their numbers."""
    return text.replace(" %", f"{NBSP}%")


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
    auc, skill, lift = (_value(model.get(name)) for name in ("roc_auc", "log_loss_skill", "lift_at_10"))
    if auc is not None:
        spread = _spread(model.get("roc_auc_interval"), lambda bound: f"{bound:.2f}")
        found.append(Figure("ROC-AUC", decimal(auc), f"0.5 is chance, 1 is perfect{spread}"))
    if skill is not None:
        spread = _spread(model.get("log_loss_skill"), percent)
        found.append(Figure("Skill", percent(skill), f"better than always saying the average{spread}"))
    if lift is not None:
        found.append(Figure("Lift", f"{lift:.1f}x", "returns in the best tenth, against average"))
    if model.get("ece") is not None:
        perfect = model.get("ece_expected")
        against = f"a perfect model would show {percent(perfect, 2)}" if perfect is not None else "0 is perfect"
        found.append(Figure("Calibration error", percent(model["ece"], 2), against))
    if model.get("base_rate") is not None:
        found.append(Figure("Base rate", percent(model["base_rate"]), "of dormant leads come back"))
    return tuple(found)


def _calibration(model: Facts) -> Picture | None:
    bins = [(row[0], row[1], row[2]) for row in _numbers(model.get("reliability"), ("p", "observed", "rows"))]
    if bins:
        return Picture(charts.calibration(bins), "Promised against observed: on the dashed line is right.")
    calibration = model.get("calibration")
    ratio = _value(calibration.get("top_decile")) if isinstance(calibration, dict) else None
    if ratio is None:
        return None
    chart = charts.pair(("promised", "happened"), (1.0, ratio), ("1.00", decimal(ratio)))
    return Picture(chart, "Best tenth of the list: for one promised return, so many happened.")


def _gains(model: Facts) -> Picture | None:
    curve = [(row[0], row[1]) for row in _numbers(model.get("lift"), ("share", "found"))]
    if curve:
        fifth = min(curve, key=lambda point: abs(point[0] - _FIFTH))
        told = f"The best {percent(fifth[0], 0)} of the list hold {percent(fifth[1], 0)} of all who come back."
        return Picture(charts.gains(curve), f"{told} The dashed line is chance.")
    lift = _value(model.get("lift_at_10"))
    if lift is None:
        return None
    chart = charts.pair(("any tenth", "best tenth"), (1.0, lift), ("1.0x", f"{lift:.1f}x"))
    return Picture(chart, "Returns in the best-ranked tenth of the list, against a tenth drawn by lot.")


def _value(figure: Any) -> float | None:
    """A figure given as a number or as (value, low, high)."""
    if isinstance(figure, list | tuple):
        figure = figure[0] if figure else None
    return float(figure) if isinstance(figure, int | float) else None


def _spread(bounds: Any, show: Callable[[float], str]) -> str:
    """`, 0.72 to 0.76` from (low, high) or (value, low, high); empty for anything else."""
    if not isinstance(bounds, list | tuple) or len(bounds) not in {2, 3}:
        return ""
    low, high = bounds[-2:]
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return ""
    return f", {show(low)} to {show(high)}"


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
