"""The model in words: a paragraph for people, and a model card."""

from __future__ import annotations

from models.evaluation.metrics import ACCURACY_WORDS
from models.training.record import CandidateRecord

_NAMES = {
    "rule_scorecard": "rule scorecard",
    "logistic_regression": "logistic regression",
    "hist_gradient_boosting": "histogram gradient boosting",
    "lightgbm": "LightGBM gradient boosting",
    "average": "average of the learned recipes",
}


def plain_name(name: str) -> str:
    """Name of a recipe as people say it."""
    return _NAMES.get(name, name.replace("_", " "))


def model_paragraph(record: CandidateRecord, *, version: str, decision: str) -> str:
    """What the live model is, what it learned from, how well it ranks, and what was decided today."""
    figures = record.figures
    return (
        f"The live model is version {version}, a {plain_name(record.name)} trained on {record.mature_people:,} people "
        f"and {record.mature_events:,} reactivations known on {record.trained_as_of}. "
        f"On later weeks that its twin had not seen, {100 * figures['base_rate']:.1f} % came back; "
        f"of the tenth ranked highest {figures['lift_at_10']:.1f} times as many did, and in "
        f"{100 * figures['roc_auc']:.0f} of 100 pairs the one who came back was ranked above the one who did not "
        f"({100 * figures['roc_auc_low']:.0f} to {100 * figures['roc_auc_high']:.0f}). "
        f"Where it expected 100 returns in that tenth, {100 * figures['top_decile']:.0f} happened. {_renewed(record)}"
        f"Today's decision: {decision}."
    )


def _renewed(record: CandidateRecord) -> str:
    if record.recalibrated_as_of is None:
        return ""
    return (
        f"Its calibrator was renewed on {record.recalibrated_as_of} from what came of its promises since; "
        "these figures are of the one before. "
    )


def rules_paragraph(record: CandidateRecord, *, reason: str) -> str:
    """Why the rules are in use, what they rest on, and what a model would need."""
    basis = (
        "its chances are set by the outcomes known so far"
        if record.card["basis"] == "outcomes"
        else "its chances are assumed, because no outcome is known yet"
    )
    return (
        "No model is live: people are ranked by the rule scorecard (job title 40 %, company size 30 %, industry fit "
        f"30 %), and {basis}. Reason: {reason}. "
        f"Known so far: {record.mature_people:,} people with {record.mature_events:,} reactivations."
    )


def model_summary(record: CandidateRecord) -> str:
    """One sentence that tells versions apart in a list."""
    f = record.figures
    return (
        f"{plain_name(record.name).capitalize()} of {record.trained_as_of}: ROC-AUC {f['roc_auc']:.3f}, "
        f"lift {f['lift_at_10']:.1f}, log-loss skill {100 * f['skill']:.1f} % on {record.mature_people:,} people."
    )


def model_card(record: CandidateRecord) -> str:
    """Markdown for a data scientist: what it is, data, figures of the twin, limits."""
    lines = [
        f"# Resurrection model: {plain_name(record.name)}",
        "",
        f"Fingerprint `{record.fingerprint[:16]}`, first trained on {record.trained_as_of}.",
        *([_renewed(record).strip()] if record.recalibrated_as_of else []),
        "",
        "**Predicts** p = P(reactivated within "
        f"{record.horizon_days} days, handled as usual) of a dormant lead, calibrated.",
        "",
        "## Data",
        f"- {record.mature_rows:,} weekly snapshots of {record.mature_people:,} people with "
        f"{record.mature_events:,} distinct reactivations; the newest snapshot is of {record.last_date}.",
        f"- Dataset fingerprint `{record.data_fingerprint[:16]}`.",
    ]
    lines += [
        f"- {name}: {len(days)} dates, {min(days)} to {max(days)}." for name, days in record.slices.items() if days
    ]
    lines += [f"- Left out, {name}: {why}." for name, why in sorted(record.dropped.items())]
    lines += [f"- {name}: {count} infinite values read as missing." for name, count in sorted(record.infinite.items())]
    if record.refused is not None:
        return "\n".join([*lines, "", "## Refused", f"No model was trained: {record.refused}.", ""])
    lines += ["", "## Figures (of the twin)"]
    lines += [
        "The twin is the same recipe, trained only on dates at least one horizon before the test dates. The live model "
        "is refitted on all mature rows; these figures are not measured on it.",
        "",
        "| candidate | log-loss skill | ROC-AUC | PR-AUC | lift at 10 % | Brier | intercept | slope | O/E top tenth | "
        "ECE | ECE if perfect | ROC-AUC without exposure |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_row(record, name) for name in record.candidates),
        "",
        f"Accuracy {record.figures['accuracy']:.3f}, majority class {record.figures['majority']:.3f}: "
        f"{ACCURACY_WORDS}.",
    ]
    lines += parts_table(record)
    if record.choice:
        lines += ["", f"**Chosen** {plain_name(record.name)}: {record.choice}."]
    if record.calibration:
        lines += ["", f"**Calibrated** by {record.calibration}."]
    lines += ["", "## Parameters", *(f"- {name}: {params}" for name, params in record.parameters.items() if params)]
    lines += [
        "",
        "## Limits",
        "- p assumes that a lead is handled as leads were in the past; it is not the effect of a contact.",
        "- The calibrator has seen only scores made out of time: those of the twin and of the test dates.",
        "- Features: " + ", ".join(f"`{name}`" for name in record.features) + ".",
        "",
    ]
    return "\n".join(lines)


def parts_table(record: CandidateRecord) -> list[str]:
    """Lines of Markdown: does the promise hold in each part of the people; none without parts."""
    if not record.parts:
        return []
    rows = []
    for part in record.parts:
        judged = part["ratio"] is not None
        told = f"{part['ratio']:.2f} ({part['ratio_low']:.2f} to {part['ratio_high']:.2f})" if judged else "too few"
        error = f"{100 * part['ece_excess']:.2f} %" if part["ece_excess"] is not None else "-"
        holds = "yes" if part["holds"] else "**no**"
        rows.append(
            f"| {part['column']} | {part['value']} | {part['rows']:,} | {part['promised']:.0f} | {part['events']:,} "
            f"| {told} | {error} | {holds if judged else '-'} |"
        )
    return [
        "",
        "### By part of the people",
        "| part | value | rows | promised | happened | happened / promised | ECE beyond chance | holds |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "An interval of 95 % misses 1 once in twenty parts by luck alone.",
    ]


def _row(record: CandidateRecord, name: str) -> str:
    f = record.candidates[name]
    own = record.without_exposure.get(name, {}).get("roc_auc")
    cells = [
        f"{plain_name(name)}{' (chosen)' if name == record.name else ''}",
        _ranged(f, "skill"),
        _ranged(f, "roc_auc"),
        f"{f['pr_auc']:.3f}",
        _ranged(f, "lift_at_10", 2),
        f"{f['brier']:.4f}",
        _ranged(f, "intercept", 2),
        _ranged(f, "slope", 2),
        _ranged(f, "top_decile", 2),
        f"{f['ece']:.4f}",
        f"{f['ece_expected']:.4f}",
        "-" if own is None else f"{own:.3f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _ranged(figures: dict[str, float], name: str, digits: int = 3) -> str:
    if name not in figures:
        return "-"
    text = f"{figures[name]:.{digits}f}"
    if f"{name}_low" not in figures:
        return text
    return f"{text} ({figures[f'{name}_low']:.{digits}f} to {figures[f'{name}_high']:.{digits}f})"
