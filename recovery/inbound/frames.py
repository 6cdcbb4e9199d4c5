"""Refusals of contact by how they are built (`frames.yml`), where no list of phrases would hold every wording."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from recovery.inbound.phrases import sentences_of, words_of

_TABLE: Final = Path(__file__).parent / "frames.yml"
_CLAUSE: Final = re.compile(r"[,–—]| - ")
# Words that may stand between two of an order, and those of any kind that `...` allows.
_BETWEEN, _ANYTHING = 6, 3
_WORDS: Final = frozenset({"^", "$", "..."})


@dataclass(frozen=True, slots=True)
class _Language:
    """What one language says.

    Attributes:
        refusals: each matches a refusal in the words of a clause, with a space before each word and one at the end.
        negated: matches such words when what follows them is turned round.
    """

    refusals: tuple[tuple[re.Pattern[str], bool], ...]
    negated: re.Pattern[str] | None


def refuses_contact(text: str) -> bool:
    """Whether a clause of the text asks in any language to be left alone or taken out of a list.

    Args:
        text: own words of a person.
    """
    return any(_refuses(clause) for part in _CLAUSE.split(text) for clause in sentences_of(part))


def _refuses(clause: Sequence[str]) -> bool:
    words = "".join(f" {word}" for word in clause) + " "
    return any(_stands(words, language) for language in _languages())


def _stands(words: str, language: _Language) -> bool:
    for refusal, is_plain in language.refusals:
        for found in refusal.finditer(words):
            before = words[: found.start() + 1]
            if is_plain or language.negated is None or language.negated.search(before) is None:
                return True
    return False


@lru_cache(maxsize=1)
def _languages() -> tuple[_Language, ...]:
    table: dict[str, dict[str, list[str]]] = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return tuple(_read(classes) for classes in table.values())


def _read(classes: dict[str, list[str]]) -> _Language:
    loose = rf"(?: {_any(classes['loose'])}){{0,{_BETWEEN}}}"
    fill = rf"(?: {_any([*classes['loose'], *classes['fill']])}){{0,{_BETWEEN}}}"
    orders = tuple(_order(order.split(), classes, loose, fill) for order in classes["say"])
    denying = classes.get("not", [])
    return _Language(orders, re.compile(rf" {_any(denying)}{loose} $") if denying else None)


def _order(parts: list[str], classes: dict[str, list[str]], loose: str, fill: str) -> tuple[re.Pattern[str], bool]:
    pattern, is_first = "", True
    for part in parts:
        if part == "^":
            pattern = rf"^{loose}"
        elif part == "$":
            pattern += rf"{loose}(?= $)"
        elif part == "...":
            pattern += rf"(?: [^ ]+){{0,{_ANYTHING}}}"
        elif part == "fill":
            pattern += fill
        else:
            pattern += ("" if is_first else loose) + f" {_any(classes[part])}"
            is_first = False
    first = next(part for part in parts if part not in _WORDS)
    return re.compile(pattern + "(?= )"), first not in ("halt", "out", "take", "gone", "self", "reach", "me")


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted({_spelt(word) for word in words}, key=len, reverse=True))})"


def _spelt(word: str) -> str:
    return " ".join(words_of(word)) + ("[^ ]*" if word.endswith("~") else "")
