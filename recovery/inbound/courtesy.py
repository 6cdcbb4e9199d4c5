"""Words that say nothing by themselves: courtesies around a command, greetings, names and signatures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from recovery.inbound.phrases import commands_of, languages, words_of
from recovery.inbound.quoted import SIGNATURE

_TABLE: Final = Path(__file__).parent / "polite.yml"
# In every language, around a command: "STOP please", "stop all messages".
FILLERS: Final = frozenset(
    words_of(
        "please pls plz now thanks thank you thx ok okay all me us this it these immediately messages message texts "
        "text emails email mails mail sms calls contact bitte danke sofort alle merci svp s il vous plait por favor "
        "gracias ya grazie per favore alstublieft aub dank je u obrigado obrigada prosze dziekuje tack tak takk "
        "kiitos mig meg mich mir moi mi hi hello hallo bonjour hola ciao dear sir madam at once promo"
    )
)
_LONGEST_COMMAND: Final = 3
_MOST_WORDS, _LONGEST_TEXT = 8, 200
_LONGEST_SIGNATURE, _LONGEST_LINE = 12, 5
_TOKEN: Final = re.compile(r"[^\W_]+")
# A line of a signature that is no name: address on the web, mailbox, telephone number.
_CONTACT: Final = re.compile(r"@|www\.|https?:|(?:\d[\s()./+-]*){7}")


@lru_cache(maxsize=1)
def _polite() -> dict[str, frozenset[str]]:
    table: dict[str, list[str]] = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {language: frozenset(word for text in words for word in words_of(text)) for language, words in table.items()}


@lru_cache(maxsize=1)
def _all_polite() -> frozenset[str]:
    return FILLERS.union(*_polite().values())


def is_command(text: str) -> bool:
    """Whether a text is nothing but a command, its repetitions and the courtesies of its language."""
    words = words_of(text[:_LONGEST_TEXT])
    return 0 < len(words) <= _MOST_WORDS and len(text) <= _LONGEST_TEXT and is_bare(words)


def is_bare(words: Sequence[str]) -> bool:
    """Whether some words are one or more commands among courtesies; English commands stand in every language.

    Args:
        words: of a text or a sentence, as `words_of` has them.
    """
    if not 0 < len(words) <= _MOST_WORDS:
        return False
    english = commands_of("en")
    return any(_is_bare(words, commands_of(name) | english, FILLERS | _polite()[name]) for name in languages())


def _is_bare(words: Sequence[str], commands: frozenset[tuple[str, ...]], fillers: frozenset[str]) -> bool:
    known, position = 0, 0
    while position < len(words):
        sizes = range(_LONGEST_COMMAND, 0, -1)
        size = next((n for n in sizes if tuple(words[position : position + n]) in commands), 0)
        if not size and words[position] not in fillers:
            return False
        known += size > 0
        position += size or 1
    return known > 0


def says_nothing(text: str) -> bool:
    """Whether a text may be no more than greeting, closing, name and particulars: its subject then says what is meant.

    Args:
        text: own words of a person.
    """
    lines = [line for line in text.split("\n") if line.strip() and not SIGNATURE.match(line)]
    if "?" in text or len(lines) > _LONGEST_SIGNATURE:
        return False
    rests = [rest for line in lines if not _CONTACT.search(line) and (rest := list(_rest(_TOKEN.findall(line))))]
    return sum(map(len, rests)) <= 1 or all(
        len(rest) <= _LONGEST_LINE and all(not token[0].islower() for token in rest) for rest in rests
    )


def _rest(tokens: Iterable[str]) -> Iterable[str]:
    return (token for token in tokens if not set(words_of(token)) <= _all_polite())
