"""What a reply means. In doubt it is a refusal, never an invitation; a machine's reply is never an opt-out (W2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from recovery.inbound.courtesy import FILLERS, is_bare, is_command, says_nothing
from recovery.inbound.events import ASKS_FOR_ERASURE, EventKind, FeedbackEvent
from recovery.inbound.frames import refuses_contact
from recovery.inbound.phrases import phrases, sentences_of, words_of
from recovery.inbound.quoted import own_words

_NO: Final = frozenset(words_of("no nope nah nein non nee nao não nie nej nei ei ne nem nu nie"))
_NEGATED: Final = tuple(
    tuple(words_of(text))
    for text in ("do not", "don't", "dont", "never", "not", "did not", "didn't", "nicht", "ne", "niet", "inte", "ikke")
)
_BETWEEN: Final = frozenset(words_of("me us mean want wish need to please bitte mich uns ever en vous"))
_NEVER: Final = frozenset(words_of("never ever jamais nunca mai niemals nooit aldrig aldri"))
_WAIT: Final = re.compile(
    r"(?i)\b(\d{1,3}|one|two|three|four|five|six|eight|nine|twelve|einem?|zwei|drei|sechs|deux|trois|six|dos|tres|seis|due|tre|sei)\s+"
    r"(days?|weeks?|months?|years?|tagen?|wochen?|monaten?|jahren?|jours?|semaines?|mois|ans?|días?|semanas?|meses|años?|"
    r"giorni|settimane|mesi|anni)\b"
)
_NUMBERS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "nine": 9, "twelve": 12, "ein": 1,
    "eine": 1, "einem": 1, "zwei": 2, "drei": 3, "sechs": 6, "deux": 2, "trois": 3, "dos": 2, "tres": 3, "seis": 6,
    "due": 2, "tre": 3, "sei": 6,
}  # fmt: skip
_DAYS_OF: Final = (("d", 1), ("t", 1), ("j", 1), ("g", 1), ("w", 7), ("s", 7), ("m", 30), ("y", 365), ("a", 365))
_ISO: Final = re.compile(r"\b(20\d\d-\d\d-\d\d)\b")
_LATER: Final = timedelta(days=90)
# "Re: Your quote - STOP"
_PARTS: Final = re.compile(r"\s[-–—|/]+\s")
# What mail programs put before the subject of an answer: what follows may be our own words.
_ANSWERS: Final = re.compile(r"(?i)^\s*(?:(?:re|aw|antw|sv|vs|odp|ynt|rif|r|ref|tr|fwd?|wg)\s*:\s*)+")
_LONGEST_WAIT: Final = timedelta(days=730)
_LONGEST_SUBJECT: Final = 1_000


def is_automatic(headers: Mapping[str, str]) -> bool:
    """Whether the header fields say that a machine answered (RFC 3834, 5, and the fields that came before it).

    Args:
        headers: names in lower case.
    """
    auto = headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    if auto not in ("no", ""):
        return True
    if any(name in headers for name in ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from")):
        return True
    if headers.get("precedence", "").strip().lower() in ("auto_reply", "auto-reply", "bulk", "junk", "list"):
        return True
    return headers.get("return-path", "").strip() == "<>" or headers.get("x-mail-autoreply", "") != ""


def read_reply(text: str, *, subject: str = "", headers: Mapping[str, str] | None = None) -> EventKind:
    """What a reply means, from its header fields first, then from its words in any language of `words.yml`.

    Args:
        text: plain text, quotations and all.
        subject: of the mail; empty for a text message.
        headers: names in lower case.
    """
    if headers is not None and is_automatic(headers):
        return EventKind.AUTO_REPLY
    subject = subject[:_LONGEST_SUBJECT]
    bare_subject = _ANSWERS.sub("", subject)
    title = sentences_of(bare_subject)
    is_away = phrases("away").stands_in(title)
    own = own_words(text)
    sentences = sentences_of(own)
    if is_away and not is_command(own):
        return EventKind.AUTO_REPLY
    if asks_for_erasure(text, subject=subject):
        return EventKind.OBJECTION
    if _is_opt_out(own, sentences):
        return EventKind.OPT_OUT
    if phrases("away").stands_in(sentences):
        return EventKind.AUTO_REPLY
    if phrases("wrong_person").stands_in(sentences):
        return EventKind.WRONG_PERSON
    if phrases("not_now").stands_in(sentences) and not _says_never(sentences):
        return EventKind.NOT_NOW
    if phrases("refusal").stands_in(sentences) or _is_no(own):
        return EventKind.OBJECTION
    if says_nothing(own) and _subject_opts_out(subject, bare_subject):
        return EventKind.OPT_OUT
    return EventKind.REPLY


def asks_for_erasure(text: str, *, subject: str = "") -> bool:
    """Whether the words also ask that data be erased (GDPR Art. 17), which a human answers within a month.

    Args:
        text: plain text, quotations and all.
        subject: of the mail; it is read where the text says nothing.
    """
    own = own_words(text)
    if phrases("erase").stands_in(sentences_of(own)):
        return True
    return says_nothing(own) and not _ANSWERS.match(subject) and phrases("erase").stands_in(sentences_of(subject))


def understood(event: FeedbackEvent, *, now: datetime) -> FeedbackEvent:
    """A reply with its meaning; other events as they are."""
    if event.kind is not EventKind.REPLY or not event.text:
        return event
    kind = read_reply(event.text)
    detail = ASKS_FOR_ERASURE if asks_for_erasure(event.text) else event.detail
    resume = resume_on(event.text, now=now) if kind is EventKind.NOT_NOW else None
    return replace(event, kind=kind, detail=detail, resume_on=resume)


def resume_on(text: str, *, now: datetime) -> datetime:
    """The day that "not now" names, else 90 days from now; at most two years away."""
    own = own_words(text)
    dated = _ISO.search(own)
    if dated is not None:
        try:
            day = datetime.combine(date.fromisoformat(dated[1]), datetime.min.time())
        except ValueError:
            day = now
        if day > now:
            return min(day, now + _LONGEST_WAIT)
    found = _WAIT.search(own)
    if found is None:
        return now + _LATER
    number = int(found[1]) if found[1].isdigit() else _NUMBERS.get(found[1].lower(), 3)
    unit = next((days for letter, days in _DAYS_OF if found[2].lower().startswith(letter)), 30)
    return now + min(max(timedelta(days=number * unit), timedelta(days=1)), _LONGEST_WAIT)


def _is_opt_out(own: str, sentences: Sequence[Sequence[str]]) -> bool:
    first_line = next((line for line in own.split("\n") if words_of(line)), "")
    if is_command(own) or is_command(first_line) or any(is_bare(sentence) for sentence in sentences):
        return True
    table = phrases("opt_out")
    if any(not _is_negated(sentence, match.start) for sentence in sentences for match in table.find(sentence)):
        return True
    return refuses_contact(own)


def _subject_opts_out(subject: str, bare: str) -> bool:
    """Whether a subject is a command at its end, or an opt-out in words that are not an answer to ours."""
    if is_command(bare) or is_command(_PARTS.split(bare)[-1]):
        return True
    return bare == subject and _is_opt_out(subject, sentences_of(subject))


def _is_negated(sentence: Sequence[str], start: int) -> bool:
    """Whether the phrase at `start` is what somebody says not to do: "please do not unsubscribe me"."""
    before = start
    while before > 0 and sentence[before - 1] in _BETWEEN:
        before -= 1
    return any(tuple(sentence[max(0, before - len(words)) : before]) == words for words in _NEGATED)


def _says_never(sentences: Sequence[Sequence[str]]) -> bool:
    return any(word in _NEVER for sentence in sentences for word in sentence)


def _is_no(own: str) -> bool:
    """Whether somebody says no and nothing else."""
    words = words_of(own[:200])
    return any(word in _NO for word in words) and all(word in _NO or word in FILLERS for word in words)
