"""Why people are not in the batch, in words that say what to do about it here."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.words import Channel, SkipReason
from recovery.permission import UNLOCK, WORDS
from recovery.planning.policy import PlanPolicy

R = SkipReason
# Where to look: the column whose commonest values are named.
_NAMED_BY: Final = {
    R.COUNTRY_UNKNOWN: "source",
    R.TIME_ZONE_UNKNOWN: "source",
    R.PERMISSION_UNKNOWN: "source",
    R.NO_ADDRESS: "source",
    R.HARD_BOUNCED: "source",
    R.COUNTRY_CONFLICT: "source",
    R.RENDER_FAILED: "source",
    R.CONSENT_REQUIRED: "country",
    R.BASIS_EXPIRED: "country",
}
_MOST_NAMED: Final = 3


def waterfall(people: pd.DataFrame, reason: npt.NDArray[np.object_], policy: PlanPolicy) -> list[dict[str, Any]]:
    """One entry per reason, the largest block first: people, words, what would unlock it, and all in one sentence.

    Args:
        people: one row per dormant person; source and country are read where they exist.
        reason: value of the reason of each person, None for those in the batch.
        policy: limits that the words name.
    """
    counts = Counter(found for found in reason.tolist() if found is not None)
    entries = []
    for name, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        found = SkipReason(name)
        unlock = unlock_words(found, policy) + _places(people, reason == name, _NAMED_BY.get(found))
        sentence = f"{number:,}: {WORDS[found]}; {unlock[:1].lower()}{unlock[1:]}"
        entries.append(
            {"reason": name, "people": number, "words": WORDS[found], "unlock": unlock, "sentence": sentence}
        )
    return entries


def unlock_words(reason: SkipReason, policy: PlanPolicy) -> str:
    """What would unlock a reason, with the limit that stands."""
    limits = {
        R.CAPACITY: ", ".join(
            f"RECOVERY_CAPACITY_{channel.value.upper()} (now {policy.capacity.get(channel, 0):,})"
            for channel in (Channel.EMAIL, Channel.SMS, Channel.CALL, Channel.CRM_TASK)
            if policy.capacity.get(channel, 0)
        ),
        R.ACCOUNT_CAP: f"RECOVERY_ACCOUNT_CAP (now {policy.account_cap})",
        R.RECENTLY_PLANNED: f"RECOVERY_CONTACT_GAP_DAYS (now {policy.contact_gap_days}) have passed",
        R.TOO_LONG_DORMANT: f"RECOVERY_MAX_DORMANCY_DAYS (now {policy.max_dormancy_days})",
        R.FREQUENCY_CAP: f"RECOVERY_TOUCH_COUNT (now {policy.touch_count})",
    }
    texts = {
        R.CAPACITY: "Raise {} or wait for a later day.",
        R.ACCOUNT_CAP: "Raise {} or wait for a later day.",
        R.RECENTLY_PLANNED: "Wait until {}.",
        R.TOO_LONG_DORMANT: "Call them, or raise {}.",
        R.FREQUENCY_CAP: "Wait for the next step, the window of RECOVERY_FREQUENCY_CAPS or a new spell, or raise {}.",
    }
    return texts[reason].format(limits[reason]) if limits.get(reason) else UNLOCK[reason]


def _places(people: pd.DataFrame, mine: npt.NDArray[np.bool_], column: str | None) -> str:
    """The commonest sources or countries of a block, such as ` Most: DE 210, CA 120.`"""
    if column is None or column not in people.columns:
        return ""
    counts = Counter(str(value) for value in people.loc[mine, column].dropna().tolist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {number:,}" for name, number in ordered[:_MOST_NAMED])
    rest = sum(number for _, number in ordered[_MOST_NAMED:])
    return f" By {column}: {shown}{f', others {rest:,}' if rest else ''}." if shown else ""
