"""Numbers and reasons in the words of a marketer."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.words import RejectReason, SkipReason, UnscoredReason

NBSP: Final = "\u00a0"


class BlockKind(StrEnum):
    """What sort of obstacle a reason is; decides its colour and its place in the waterfall."""

    WISH = "wish"
    DATA = "data"
    LAW = "law"
    LIMIT = "limit"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class ReasonWords:
    """A reason, what unlocks it (empty: nothing should), and its kind."""

    words: str
    unlock: str
    kind: BlockKind


_W, _D, _L, _C, _H = BlockKind.WISH, BlockKind.DATA, BlockKind.LAW, BlockKind.LIMIT, BlockKind.HOLD
SKIPS: Final[dict[str, ReasonWords]] = {
    SkipReason.OPTED_OUT: ReasonWords("opted out", "only a new, own sign-up of the person", _W),
    SkipReason.OBJECTED: ReasonWords("objected to marketing", "nothing; the objection is respected", _W),
    SkipReason.COMPLAINED: ReasonWords("complained about a message", "nothing; the complaint is respected", _W),
    SkipReason.HARD_BOUNCED: ReasonWords("address bounced", "find a working address", _D),
    SkipReason.DO_NOT_CONTACT: ReasonWords("on a do-not-contact list", "only whoever keeps that list", _W),
    SkipReason.PERMISSION_UNKNOWN: ReasonWords(
        "source carries no opt-out data", "export the opt-out column or a suppression file with it", _D
    ),
    SkipReason.NO_ADDRESS: ReasonWords("no usable address", "add an e-mail address in the CRM", _D),
    SkipReason.COUNTRY_UNKNOWN: ReasonWords("country missing", "declare it per source", _D),
    SkipReason.COUNTRY_CONFLICT: ReasonWords("country contradicts itself", "correct it in the CRM", _D),
    SkipReason.TIME_ZONE_UNKNOWN: ReasonWords("time zone missing", "add a state or city in the CRM", _D),
    SkipReason.CONSENT_REQUIRED: ReasonWords("their country asks for consent", "record the consent you hold", _L),
    SkipReason.BASIS_EXPIRED: ReasonWords("permission has expired", "wait for a new inquiry or purchase", _L),
    SkipReason.TOO_LONG_DORMANT: ReasonWords("silent for too long to e-mail", "call, or raise max_dormancy_days", _L),
    SkipReason.NEVER_ENGAGED: ReasonWords("never engaged", "they are reported, not contacted", _W),
    SkipReason.RECENTLY_PLANNED: ReasonWords("in a recent batch", "their contact gap ends by itself", _C),
    SkipReason.GLOBAL_HOLDOUT: ReasonWords("long-term comparison group", "drawn anew each half-year", _C),
    SkipReason.CAPACITY: ReasonWords("beyond today's capacity", "raise the daily capacity of the channel", _C),
    SkipReason.ACCOUNT_CAP: ReasonWords("colleagues of theirs go first", "raise account_cap", _C),
    SkipReason.FREQUENCY_CAP: ReasonWords("contacted often enough", "the cap frees them by itself", _C),
    SkipReason.UNSCORED: ReasonWords("carry no score", "see why below the scores", _C),
    SkipReason.CHANNEL_DISABLED: ReasonWords("their only channel is off", "give that channel a capacity", _C),
    SkipReason.SALE_OPT_OUT: ReasonWords("opted out of sale and sharing", "only a new, own consent, after a year", _W),
    SkipReason.RESTRICTED: ReasonWords("asked that nothing be done with the data", "only the person can lift it", _W),
    SkipReason.NOT_NOW: ReasonWords("asked to be left alone until a date", "wait for that date", _W),
    SkipReason.REGISTRATION_REQUIRED: ReasonWords(
        "the state asks the caller to register first", "register, then set RECOVERY_REGISTRATIONS", _L
    ),
    SkipReason.CONSENT_INCOMPLETE: ReasonWords(
        "consent lacks what the rule asks for", "record number, seller, disclosure, moment and source", _L
    ),
    SkipReason.CALL_GROUND_REQUIRED: ReasonWords(
        "no ground for a call", "a scrub of the national list, a business line, a new inquiry or consent", _L
    ),
    SkipReason.NO_PERMITTED_HOUR: ReasonWords(
        "no permitted hour before it expires", "correct zone, state or country if they contradict each other", _L
    ),
    SkipReason.RULES_CHANGED: ReasonWords("the rules changed after approval", "plan and approve again", _H),
    SkipReason.NOT_WORTH_IT: ReasonWords("expected value below the cost", "a better score or a cheaper channel", _C),
    SkipReason.SOURCE_SILENT: ReasonWords("their source fell silent", "deliver a fresh export of it", _H),
    SkipReason.SEVERE_DRIFT: ReasonWords("data drifted too far", "look at the drift report, then retrain", _H),
    SkipReason.PAUSED: ReasonWords("emission is paused", "end the pause", _H),
    SkipReason.SENDER_UNKNOWN: ReasonWords("sender not set", "set sender name, postal address and From", _H),
    SkipReason.RENDER_FAILED: ReasonWords("message could not be written", "see the lint finding of the template", _H),
    SkipReason.NOT_NEWEST_DATE: ReasonWords("an older day was run again", "only the newest day releases a batch", _H),
}

REJECTS: Final[dict[str, str]] = {
    RejectReason.MALFORMED_ROW: "row is broken (quotes or delimiters)",
    RejectReason.MISSING_REQUIRED: "required field is empty",
    RejectReason.BAD_TIMESTAMP: "date cannot be read",
    RejectReason.BAD_NUMBER: "number cannot be read",
    RejectReason.BAD_EMAIL: "e-mail address is invalid",
    RejectReason.BAD_PHONE: "phone number is invalid",
    RejectReason.BAD_TIME_ZONE: "time zone is unknown",
    RejectReason.BAD_BOOLEAN: "yes/no value cannot be read",
    RejectReason.BAD_CURRENCY: "currency is unknown",
    RejectReason.BAD_COUNTRY: "country is unknown",
    RejectReason.BAD_VALUE: "value does not fit the column",
    RejectReason.IN_FUTURE: "date lies in the future",
    RejectReason.DUPLICATE_ID: "id occurs twice in the file",
    RejectReason.ENCODING: "characters cannot be decoded",
}

UNSCORED: Final[dict[str, str]] = {
    UnscoredReason.OBJECTED: "objected to marketing, so they are not profiled either",
    UnscoredReason.RESTRICTED: "processing is restricted",
    UnscoredReason.NEVER_ENGAGED: "never engaged",
    UnscoredReason.NO_MODEL: "no model and no rules could be applied",
}

CHANNELS: Final[dict[str, str]] = {
    "email": "e-mail",
    "sms": "text",
    "call": "call task",
    "crm_task": "CRM task",
    "audience": "audience",
}


def plain(value: str) -> str:
    """A closed-set value as words: `country_unknown` becomes `country unknown`."""
    return value.replace("_", " ")


def phrase(text: str) -> str:
    """A sentence as a part of another: no full stop, a small first letter unless the first word is a name or code."""
    bare = text.strip().rstrip(".")
    first = bare.split(" ", 1)[0]
    return bare if first[1:] != first[1:].lower() else f"{bare[:1].lower()}{bare[1:]}"


def count(value: float | None) -> str:
    """Whole number with thousands separators; a dash for None."""
    return "–" if value is None else f"{round(value):,}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share (0..1) in per cent."""
    return "–" if share is None else f"{100 * share:.{digits}f}{NBSP}%"


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with fixed digits; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float, digits: int = 0) -> str:
    """A number with its sign, a true minus, and no signed zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"+{text}" if value > 0 else f"−{text}"


def against_average(p: float, anchor: float | None) -> str:
    """`7.2 %, 1.4 x average`: probability, and its ratio to the installation's base rate."""
    if not anchor:
        return percent(p)
    return f"{percent(p)}, {p / anchor:.1f} x average"


def ahead_of(percentile: float) -> str:
    """Percentile (0..100) as the share that a lead is ahead of; never 100, because nobody is ahead of himself."""
    return f"{min(math.floor(percentile * 10) / 10, 99.9):.1f}{NBSP}%"


def people(value: int) -> str:
    """`1 person`, `2,140 people`."""
    return f"{count(value)} {'person' if value == 1 else 'people'}"


def many(value: int, one: str, more: str | None = None) -> str:
    """A count with its noun in the right number."""
    return f"{count(value)} {one if value == 1 else more or one + 's'}"


def clean(value: object, limit: int = 120) -> str:
    """Text of a lead made safe to show: one line, no control or direction characters, at most `limit` characters.

    Escaping is the template's; this stops a field from reordering or flooding the page.
    """
    if value is None:
        return ""
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in str(value))
    kept = "".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs", "Co", "Cn"})
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1].rstrip() + "…"


def clean_lines(value: str, limit: int = 4_000) -> str:
    """The same for a message's body, whose lines are kept."""
    lines = [clean(line, 400) for line in value.replace("\r\n", "\n").split("\n")]
    text = "\n".join(lines).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
