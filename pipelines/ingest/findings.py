"""Names of the checks of the door: table they belong to, whether they block, and the sentence in full."""

from __future__ import annotations

from typing import Final

FINDINGS: Final[dict[str, tuple[str, bool, str]]] = {
    "rows_in_are_loaded_or_rejected": (
        "landings",
        True,
        "Every row of every file was loaded or is in raw.rejects with its reason.",
    ),
    "accepted_rows_meet_their_contract": (
        "landings",
        True,
        "Great Expectations found nothing wrong with the accepted rows of any landing, nor too many rejected ones.",
    ),
    "history_spans_the_label_window": (
        "landings",
        False,
        "The activities of every source span dormancy, horizon and lag, so that labels can be learned.",
    ),
    "full_exports_reach_back_as_far_as_before": (
        "landings",
        False,
        "No newer full export begins later than the one before: history was not cut silently.",
    ),
    "activities_refer_to_known_people": (
        "landings",
        False,
        "At least 98 % of the activities name a person whom the same source exports.",
    ),
    "activity_has_no_silent_gaps": (
        "landings",
        False,
        "No busy source lacks activity for four days within its history: exports represent the full activity.",
    ),
    "exports_are_structured_alike": (
        "landings",
        False,
        "Sources of one CRM, such as two markets, and successive exports of a source have the same columns.",
    ),
    "full_exports_have_not_shrunk": (
        "landings",
        False,
        "No full export has less than half the rows of the one before: absence counts as deletion.",
    ),
    "sources_have_permission_data": (
        "landings",
        False,
        "Every source of people has an opt-out column, a suppression list or a permissions file.",
    ),
}
