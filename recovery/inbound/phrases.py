"""Finds known phrases in free text, whatever their case, accents and punctuation, in time linear in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, product
from pathlib import Path
from typing import Final

import yaml

from recovery.inbound.spelling import mended

_HERE: Final = Path(__file__).parent
# Letters that Unicode does not take apart, and the spelling of umlauts without umlauts.
_LETTERS: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "a", "œ": "o", "þ": "th", "ħ": "h", "ŧ": "t"}
)
_UMLAUTS: Final = re.compile(r"([aou])e")
_WORD: Final = re.compile(r"[^\W_]+")
_SPACED: Final = re.compile(r"(?<!\w)(?:[^\W\d_][ .·_-]){3,}[^\W\d_](?!\w)")  # S T O P, s.t.o.p
_DRAWN_OUT: Final = re.compile(r"([^\W\d_])\1{2,}\b")  # stopppp
_ZERO: Final = re.compile(r"(?<=[a-z])0(?=[a-z])")  # st0p
# A comma does not end a phrase: "no, thanks".
_SENTENCE: Final = re.compile(r"[.;:!?\n()]+")
_LONGEST_GAP: Final = 3
_ANY: Final = "*"


def words_of(text: str) -> list[str]:
    """Words of a text: no case, no accents, no punctuation, nothing that is not seen; known misspellings mended."""
    plain = unicodedata.normalize("NFKD", whole(text).casefold()).translate(_LETTERS)
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = _ZERO.sub("o", _DRAWN_OUT.sub(r"\1", _UMLAUTS.sub(r"\1", plain)))
    return [mended(word) for word in _WORD.findall(plain)]


def whole(text: str) -> str:
    """A text without signs that are not seen (Unicode Cf), letters that stand apart put together."""
    seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return _SPACED.sub(lambda found: re.sub(r"[ .·_-]", "", found[0]), seen)


def sentences_of(text: str) -> list[list[str]]:
    """Words of each sentence, sentences without words left out."""
    return [found for sentence in _SENTENCE.split(whole(text)) if (found := words_of(sentence))]


def spelt_out(phrase: str) -> list[str]:
    """A phrase with every choice made.

    >>> spelt_out("(do not|don't) call (me|us|)")
    ['do not call me', 'do not call us', 'do not call ', "don't call me", "don't call us", "don't call "]
    """
    parts = re.split(r"\(([^()]*)\)", phrase)
    return [
        "".join(made) for made in product(*(part.split("|") if at % 2 else [part] for at, part in enumerate(parts)))
    ]


@dataclass(frozen=True, slots=True)
class Match:
    """Where a phrase stands: index of its first word and of the word after it."""

    start: int
    end: int


class Phrases:
    """A set of phrases; `*` in a phrase stands for one to three words, `(a|b|)` for either or nothing.

    Args:
        phrases: as written by people.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for phrase in chain.from_iterable(map(spelt_out, phrases)):
            parts = [_ANY if part == _ANY else word for part in phrase.split() for word in (words_of(part) or [part])]
            if parts and parts[0] != _ANY:
                self._by_first.setdefault(parts[0], []).append(tuple(parts))

    def find(self, words: Sequence[str]) -> Iterator[Match]:
        """Every place where a phrase stands."""
        for start, word in enumerate(words):
            for phrase in self._by_first.get(word, ()):
                end = _end(words, start, phrase)
                if end is not None:
                    yield Match(start, end)

    def stands_in(self, sentences: Iterable[Sequence[str]]) -> bool:
        """Whether any phrase stands in any sentence."""
        return any(next(self.find(sentence), None) is not None for sentence in sentences)


def _end(words: Sequence[str], start: int, phrase: tuple[str, ...]) -> int | None:
    if _ANY in phrase:
        gap = phrase.index(_ANY)
        ends = range(start + gap + 1, start + gap + 1 + _LONGEST_GAP)
        if tuple(words[start : start + gap]) != phrase[:gap]:
            return None
        return next((end for at in ends if (end := _end(words, at, phrase[gap + 1 :])) is not None), None)
    end = start + len(phrase)
    return end if tuple(words[start:end]) == phrase else None


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, list[str]]]:
    content: dict[str, dict[str, list[str]]] = yaml.safe_load((_HERE / "words.yml").read_text(encoding="utf-8"))
    return content


def languages() -> tuple[str, ...]:
    """Languages that are understood."""
    return tuple(_table())


@lru_cache(maxsize=16)
def phrases(kind: str) -> Phrases:
    """Phrases of a kind (`opt_out`, `refusal`, ...) in every language."""
    return Phrases(phrase for words in _table().values() for phrase in words.get(kind, ()))


@lru_cache(maxsize=64)
def commands_of(language: str) -> frozenset[tuple[str, ...]]:
    """Words of a language that are an opt-out when they stand alone."""
    written = chain.from_iterable(map(spelt_out, _table()[language]["commands"]))
    return frozenset(tuple(words_of(phrase)) for phrase in written)
