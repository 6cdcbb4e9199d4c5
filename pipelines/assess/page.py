"""Renders the page of an assessment: one HTML file without scripts or outside resources."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.assess.assessment import Assessment
from models.evaluation.resampling import Interval
from pipelines.assess.pictures import profit_curve
from pipelines.feedback.report import charts, words
from pipelines.feedback.report.page import TEMPLATES as REPORT_TEMPLATES

TEMPLATES: Final = Path(__file__).parent / "templates"


def render_page(found: Assessment, *, label: str, seconds: float) -> str:
    """The page as HTML text; names of columns may hold markup and are escaped.

    Args:
        found: what was found.
        label: the column that was forecast.
        seconds: that it took.
    """
    css = Markup((REPORT_TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return (
        _environment()
        .get_template("assess.html.j2")
        .render(css=css, found=found, label=words.clean(label), seconds=seconds, **_view(found))
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "count": words.count, "percent": words.percent, "clean": words.clean, "decimal": words.decimal,
        "interval": interval_words,
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}".rstrip("."),
    }  # fmt: skip
    return environment


def _view(found: Assessment) -> dict[str, Any]:
    judged = found.evaluation
    bins = [(row["p"], row["observed"], int(row["rows"])) for row in found.reliability]
    strongest = max((driver.points for driver in found.drivers), default=1.0)
    share = found.profit.contacted / found.profit.population if found.profit else None
    chosen = (share, found.profit.policy) if found.profit and share is not None else None
    return {
        "title": headline(found),
        "standfirst": standfirst(found),
        "figures": [
            ("AUC", interval_words(judged.roc_auc, 3), "chance that a positive ranks above a negative; 0.5 is a coin"),
            (
                "Log-loss skill",
                share_words(judged.skill),
                "gain over always saying the base rate; above 0 it knows more",
            ),
            ("Lift in the top tenth", interval_words(judged.lift_at_10, 2), "times the positives of a random tenth"),
            ("PR-AUC", f"{judged.pr_auc:.3f}", f"a random order shows {judged.base_rate:.3f}"),
            ("Calibration slope", interval_words(judged.slope, 2), "1 is right; below 1 promises are too extreme"),
            ("Calibration intercept", interval_words(judged.intercept, 2), "0 is right on average"),
            ("ECE", f"{judged.ece:.3f}", f"a perfect model shows {judged.ece_expected:.3f} at this size"),
            ("Brier", f"{judged.brier:.4f}", "mean squared distance of promise and outcome"),
        ],
        "calibration": charts.calibration(bins),
        "gains": charts.gains(found.lift),
        "curve": profit_curve(found.profit_points, chosen=chosen),
        "share_contacted": share,
        "drivers": [(driver, charts.bar(0.0, driver.points / strongest, "chosen")) for driver in found.drivers],
        "uplift_rows": list(found.uplift.items()) if found.uplift else [],
    }


def headline(found: Assessment) -> str:
    """The answer in one line."""
    judged = found.evaluation
    if judged.skill.low > 0:
        return f"The best tenth holds {judged.lift_at_10.value:.1f} times the average share of positives"
    return "Nothing here is surely better than the base rate"


def standfirst(found: Assessment) -> str:
    """What was done, in one paragraph."""
    judged = found.evaluation
    return (
        f"{found.rows:,} past rows, {100 * found.base_rate:.1f} % positive; {found.test_rows:,} were held out "
        f"and judged ({found.protocol}). Model: {found.model.replace('_', ' ')}. It ranks "
        f"{100 * judged.roc_auc.value:.1f} of 100 pairs of a positive and a negative right."
    )


def interval_words(interval: Interval | None, digits: int) -> str:
    """A value with its 95 % interval; a dash where there is none."""
    if interval is None:
        return "-"
    if interval.low != interval.low:
        return words.decimal(interval.value, digits)
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def share_words(interval: Interval) -> str:
    """A share with its 95 % interval, in per cent."""
    return f"{100 * interval.value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f} %)"
