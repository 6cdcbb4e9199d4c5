"""Renders the day's page: one HTML file without scripts or outside resources; the same facts give the same bytes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.feedback.report import charts, sentences, words
from pipelines.feedback.report.facts import DayFacts
from pipelines.feedback.report.model_view import model_view
from pipelines.feedback.report.reading_intake import PROBLEMS_SHOWN
from pipelines.feedback.report.results_view import results_view
from pipelines.feedback.report.waterfall import bars

TEMPLATES: Final = Path(__file__).parent / "templates"


def render_page(day: DayFacts) -> str:
    """The page of one day as HTML text.

    Fields of leads may hold markup, formulas or instructions: everything is escaped, and the page's own policy
    forbids scripts and outside resources besides.
    """
    css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return _environment().get_template("daily.html.j2").render(css=css, **_view(day))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= _FILTERS
    return environment


def _view(day: DayFacts) -> dict[str, Any]:
    return {
        "day": day,
        "title": sentences.headline(day),
        "standfirst": sentences.standfirst(day),
        "bars": [(bar, charts.bar(bar.start, bar.width, bar.kind)) for bar in bars(day.plan, day.population.dormant)],
        "waterfall_words": sentences.waterfall_words(day),
        "model": model_view(day.model),
        "histogram": charts.histogram(day.scores.histogram),
        "score_words": sentences.score_words(day),
        "unscored": [
            (words.UNSCORED.get(reason, words.plain(reason)), number)
            for reason, number in sorted(day.scores.unscored.items())
            if number
        ],
        "message_words": sentences.message_words(day),
        "holdout_words": sentences.holdout_words(day),
        "results": results_view(day.results),
        "intake_words": sentences.intake_words(day),
        "rejects": sentences.problem_rows(day.intake.rejects, PROBLEMS_SHOWN),
        "rejects_left": max(0, len(day.intake.rejects) - PROBLEMS_SHOWN),
        "issues": sentences.problem_rows(day.intake.issues, PROBLEMS_SHOWN),
        "issues_left": max(0, len(day.intake.issues) - PROBLEMS_SHOWN),
        "fields": sentences.field_rows(day.intake.fields),
        "drift": sentences.drift_words(day),
        "awake": [(words.plain(reason), number) for reason, number in day.population.not_dormant.items()],
        "kinds": [(words.plain(kind), number) for kind, number in day.population.lead_kinds.items()],
    }


_FILTERS: Final[dict[str, Any]] = {
    "count": words.count,
    "percent": words.percent,
    "signed": words.signed,
    "plain": words.plain,
    "people": words.people,
    "average": words.against_average,
    "channel": lambda value: words.CHANNELS.get(value, value),
    "many": words.many,
    "sentence": lambda text: f"{text[:1].upper()}{text[1:]}".rstrip("."),
    "ahead": words.ahead_of,
    "silent": sentences.silent_words,
}
