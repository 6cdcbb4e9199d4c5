"""An assessment as lines for a terminal."""

from __future__ import annotations

from models.assess.assessment import Assessment
from pipelines.assess.page import interval_words, share_words


def rows_of(found: Assessment) -> list[tuple[str, str, str]]:
    """Name, value and meaning of every figure that applies."""
    judged = found.evaluation
    rows = [
        ("rows", f"{found.rows:,}", f"{100 * found.base_rate:.2f} % positive"),
        ("judged", f"{found.test_rows:,}", found.protocol),
        ("model", found.model.replace("_", " "), found.model_reason),
        ("AUC", interval_words(judged.roc_auc, 3), "share of pairs ranked right; 0.5 is a coin"),
        ("PR-AUC", f"{judged.pr_auc:.3f}", f"a random order shows {judged.base_rate:.3f}"),
        ("log-loss skill", share_words(judged.skill), "gain over the base rate of the training rows"),
        ("lift at 10 %", interval_words(judged.lift_at_10, 2), "times the positives of a random tenth"),
        ("Brier", f"{judged.brier:.4f}", "mean squared distance of promise and outcome"),
        ("ECE", f"{judged.ece:.4f}", f"a perfect model shows {judged.ece_expected:.4f} at this size"),
        ("calibration", f"intercept {interval_words(judged.intercept, 2)}", "0 is right on average"),
        ("", f"slope {interval_words(judged.slope, 2)}", "1 is right; below 1 promises are too extreme"),
        (
            "accuracy",
            f"{100 * judged.accuracy:.1f} %",
            f"always saying the commoner class: {100 * judged.majority:.1f} %",
        ),
    ]
    if found.profit:
        profit = found.profit
        rows += [
            ("profit", f"{profit.policy:,.2f}", found.policy_words),
            (
                "",
                f"everyone {profit.all:,.2f}, no one 0",
                f"{profit.contacted:,.0f} of {profit.population:,.0f} contacted",
            ),
            ("gain", interval_words(profit.gain, 2), "over the better of everyone and no one"),
        ]
    for arm, result in (found.uplift or {}).items():
        report = result.report
        rows += [
            (f"uplift {arm}", f"Qini {interval_words(result.qini, 3)}", result.policy),
            ("", f"best 30 % {interval_words(result.uplift_at_30, 4)}", "more outcomes per person contacted"),
            ("", f"policy {interval_words(report.policy_value, 4)}", f"per person; contacts {report.contacted:.0%}"),
            ("", f"everyone {interval_words(report.treat_all, 4)}", "per person, against contacting no one"),
        ]
    return rows


def leak_lines(found: Assessment) -> list[str]:
    """A line per suspected column."""
    return [f"{suspect.column}: {suspect.words}" for suspect in found.suspects]
