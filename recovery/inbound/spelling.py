"""Mends the words for "unsubscribe" where they are misspelt; every other word stays as it is."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

# Without case and accents, as `words_of` has them; short words are left out, since another word is too near to them.
_FAMILY: Final = (
    "unsubscribe", "abmelden", "abmeldung", "abbestellen", "austragen", "desabonner", "desabonnement", "desinscrire",
    "desinscription", "disiscrivi", "disiscrivimi", "disiscrizione", "afmelden", "uitschrijven", "descadastrar",
    "rezygnuje", "rezygnacja", "avregistrera", "avprenumerera", "afmelding", "odhlasit", "odhlaste", "leiratkozas",
    "leiratkozom", "leiratkozni", "dezabonare", "dezaboneaza", "отписване", "διαγραφη", "atrakstities", "atsisakau",
    "diliostail",
)  # fmt: skip
_SAME_START: Final = 3
_LONG: Final = 10
_BY_START: Final = {
    start: tuple(word for word in _FAMILY if word.startswith(start))
    for start in {word[:_SAME_START] for word in _FAMILY}
}


@lru_cache(maxsize=4096)
def mended(word: str) -> str:
    """The word that is meant, or the word itself.

    One letter may be wrong, missing, doubled or out of place, two in words of ten letters; not the first three, which
    tell "abmelden" from "anmelden", nor the last, which tells "unsubscribe" from "unsubscribed".

    >>> [mended(word) for word in ("unsuscribe", "unsubcribe", "abmeden", "anmelden", "subscribe", "unsubscribed")]
    ['unsubscribe', 'unsubscribe', 'abmelden', 'anmelden', 'subscribe', 'unsubscribed']

    Args:
        word: without case and accents.
    """
    for meant in _BY_START.get(word[:_SAME_START], ()):
        most = 2 if len(meant) >= _LONG else 1
        if word[-1] == meant[-1] and abs(len(word) - len(meant)) <= most and _distance(word, meant) <= most:
            return meant
    return word


def _distance(one: str, other: str) -> int:
    """Changes of one letter, or of two neighbours for each other, from one word to the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        new = [at]
        for to, wanted in enumerate(other, 1):
            cost = min(row[to] + 1, new[to - 1] + 1, row[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, before[to - 2] + 1)
            new.append(cost)
        before, row = row, new
    return row[-1]
