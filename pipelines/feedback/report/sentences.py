"""What the page says in sentences, also when there is nothing to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.feedback.report.facts import DayFacts, FieldCost, Problem
from pipelines.feedback.report.waterfall import kind_of
from pipelines.feedback.report.words import (
    CHANNELS,
    REJECTS,
    BlockKind,
    count,
    many,
    people,
    percent,
    phrase,
    plain,
)

# A difference of mean probability below this share of the mean is not worth a word.
_NOTICEABLE: Final = 0.05
_SILENT_DAYS: Final = 3


def headline(day: DayFacts) -> str:
    """The day in one sentence."""
    if day.population.people == 0:
        return "No people yet: nothing has been delivered for this day"
    if day.population.dormant == 0:
        return "Nobody is dormant today"
    if day.plan.planned:
        what = many(day.plan.planned, "message is ready", "messages are ready")
        return f"{what} for dormant leads"
    return "No message leaves today"


def standfirst(day: DayFacts) -> str:
    """Two or three sentences under the headline."""
    population, plan = day.population, day.plan
    if population.people == 0:
        return "Deliver an export of your CRM and run the day again; below stands what came in."
    if population.dormant == 0:
        return (
            f"{people(population.people).capitalize()} are known and every one of them is either in touch with you, "
            "excluded, or has never engaged. There is nobody to win back, and nothing was planned."
        )
    text = f"{count(population.dormant)} of {people(population.people)} have gone quiet."
    if plan.is_published:
        text += f" {count(plan.contactable)} of them may be contacted."
    if plan.planned:
        return f"{text} {channel_words(plan.by_channel)} {_held_out(plan.held_out)}"
    if not plan.is_published:
        return f"{text} No plan was made for this day."
    return f"{text} {why_nothing(day)}"


def channel_words(by_channel: Mapping[str, int]) -> str:
    """`497 go by e-mail and 3 by call task.`; empty when no channel is known."""
    pairs = sorted(((k, v) for k, v in by_channel.items() if v), key=lambda pair: (-pair[1], pair[0]))
    parts = [f"{count(number)} by {CHANNELS.get(channel, plain(channel))}" for channel, number in pairs]
    if not parts:
        return ""
    parts[0] = parts[0].replace(" by", " goes by" if pairs[0][1] == 1 else " go by", 1)
    return f"{parts[0]}." if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}."


def _held_out(number: int) -> str:
    if not number:
        return "Nobody was held out to compare."
    return f"{many(number, 'more was', 'more were')} chosen and held out, so that the effect can be measured."


def why_nothing(day: DayFacts) -> str:
    """Why a plan is empty, by its largest obstacle."""
    blocks = sorted(day.plan.blocks, key=lambda block: (-block.people, block.reason))
    if not blocks:
        return "The plan is empty."
    first = blocks[0]
    text = f"The largest obstacle, for {people(first.people)}: {phrase(first.words)}."
    return f"{text} What would change it: {phrase(first.unlock)}." if first.unlock else text


def waterfall_words(day: DayFacts) -> str:
    """What the waterfall teaches: how many a correction of data would free."""
    if day.population.dormant == 0:
        return "There are no dormant leads, so there is nobody to reach."
    if not day.plan.is_published:
        return "No plan was made for this day, so it is not known who could be reached."
    held = [b for b in day.plan.blocks if kind_of(b.reason) is BlockKind.HOLD]
    if held:
        return f"The plan is on hold: {phrase(held[0].words)}. What would free it: {phrase(held[0].unlock)}."
    data = [b for b in day.plan.blocks if kind_of(b.reason) is BlockKind.DATA]
    wish = sum(b.people for b in day.plan.blocks if kind_of(b.reason) is BlockKind.WISH)
    parts = []
    if data:
        total = sum(b.people for b in data)
        best = max(data, key=lambda b: (b.people, b.reason))
        parts.append(
            f"{people(total).capitalize()} are out of reach only because data is missing or wrong; "
            f"the largest part, {count(best.people)}: {phrase(best.words)}"
            + (f"; {phrase(best.unlock)}." if best.unlock else ".")
        )
    if wish:
        parts.append(f"{people(wish).capitalize()} have said no or may never be contacted, and that stands.")
    return " ".join(parts) or "Nothing but capacity keeps dormant leads out of the batch."


def score_words(day: DayFacts) -> str:
    """How the scores are spread."""
    scores = day.scores
    if scores.rows == 0:
        return "Nobody carries a score today."
    high, medium, low = (scores.tiers.get(tier, 0) for tier in ("high", "medium", "low"))
    return (
        f"{people(scores.rows).capitalize()} carry a score: {count(high)} high ({percent(high / scores.rows, 0)}), "
        f"{count(medium)} medium ({percent(medium / scores.rows, 0)}) and "
        f"{count(low)} low ({percent(low / scores.rows, 0)})."
    )


def message_words(day: DayFacts) -> str:
    """What stands above the messages, or why there are none."""
    if day.batch.messages:
        return (
            "As their recipients will read them. Addresses are shortened and links are shown as words, so that "
            "nobody can be opted out from this page by accident."
        )
    if day.plan.planned:
        return "The batch was planned, but its messages are not in the outbox of this machine."
    return "No batch was made for this day, so there is no message to show."


def holdout_words(day: DayFacts) -> str:
    """Holdout and power in words."""
    plan = day.plan
    if not plan.is_published or plan.planned + plan.held_out == 0:
        return "Nobody was chosen today, so nobody was held out. Earlier comparisons go on."
    chosen = plan.planned + plan.held_out
    text = (
        f"Of {people(chosen)} chosen, {count(plan.held_out)} were held out by lot: they are just as promising and "
        "receive nothing. Who comes back among them shows what would have happened anyway."
    )
    if plan.smallest_visible_effect is None:
        return f"{text} So far the group is too small to show any effect."
    return (
        f"{text} With {people(plan.controls)} to compare with, a difference of "
        f"{100 * plan.smallest_visible_effect:.1f} percentage points or more would show; a smaller one needs more "
        "days or a larger group."
    )


def intake_words(day: DayFacts) -> str:
    """What came in, in one sentence."""
    intake = day.intake
    if intake.files == 0:
        return "Nothing has been delivered."
    text = f"{many(intake.files, 'file')} with {many(intake.rows_in, 'row')} have been delivered so far. "
    if intake.rows_rejected == 0:
        return text + "No row was rejected."
    share = percent(intake.rows_rejected / intake.rows_in if intake.rows_in else 0.0, 2)
    return (
        text + f"{many(intake.rows_rejected, 'row')} ({share}) could not be used. "
        "The table names the rows, so that they can be mended in the CRM; values are not repeated here."
    )


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """A line of the tables of rejected rows and emptied fields."""

    file: str
    column: str
    words: str
    rows: int
    where: str


def problem_rows(problems: Sequence[Problem], limit: int) -> list[ProblemRow]:
    """The first `limit` problems with row numbers as text."""
    rows = []
    for problem in problems[:limit]:
        listed = ", ".join(count(number) for number in problem.row_numbers)
        more = " …" if problem.rows > len(problem.row_numbers) else ""
        rows.append(
            ProblemRow(
                file=f"{problem.source} / {problem.file_name}",
                column=problem.column_name,
                words=REJECTS.get(problem.reason, plain(problem.reason)),
                rows=problem.rows,
                where=f"{listed}{more}",
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A line of the table of missing fields."""

    name: str
    missing: int
    share: float
    contact: str
    scoring: str


def field_rows(fields: Sequence[FieldCost]) -> list[FieldRow]:
    """What each missing field costs, in words; fields that nobody lacks are left out."""
    rows = []
    for field in sorted(fields, key=lambda f: (-f.blocked, -f.missing, f.name)):
        if field.missing == 0 or field.dormant == 0:
            continue
        contact = f"blocks {people(field.blocked)}" if field.blocked else "blocks nobody"
        rows.append(FieldRow(field.name, field.missing, field.missing / field.dormant, contact, _scoring(field)))
    return rows


def _scoring(field: FieldCost) -> str:
    if field.p_with is None or field.p_without is None:
        return "nothing to compare"
    with_value, without = field.p_with, field.p_without
    both = f"{percent(without)} without, {percent(with_value)} with"
    if abs(without - with_value) < _NOTICEABLE * max(with_value, without):
        return f"no difference ({both})"
    return f"scored {'lower' if without < with_value else 'higher'}: {both}"


def drift_words(day: DayFacts) -> str:
    """Whether today's leads still look like those that the model learned from."""
    share = day.drift.get("share_drifted")
    if share is None:
        return "Nothing to compare with yet: drift is measured once a model has been trained."
    drifted = [str(name) for name in day.drift.get("drifted") or []]
    outside = int(day.drift.get("out_of_range_rows") or 0)
    text = f"{percent(float(share), 0)} of the facts about leads are spread differently than in training."
    if drifted:
        listed = ", ".join(plain(name) for name in drifted[:6])
        text += f" They are: {listed}{' and others' if len(drifted) > 6 else ''}."
    if outside:
        text += f" {people(outside).capitalize()} lie outside anything that the model has seen."
    if day.drift.get("severe"):
        return f"{text} That is too much: today's batch is held until somebody has looked."
    return f"{text} The scores can be used."


def silent_words(days: int | None) -> str:
    """How fresh a source is."""
    if days is None:
        return "no dated activity"
    if days >= _SILENT_DAYS:
        return f"silent for {many(days, 'day')}"
    return "up to date"
