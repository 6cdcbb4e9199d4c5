"""Cells that no spreadsheet takes for a formula (CWE-1236)."""

from __future__ import annotations

import unicodedata
from typing import Final

# The four signs that start a formula, with their full-width and small forms.
_SIGNS: Final = frozenset("=+-@＝＋－＠﹦﹢﹣﹫−")
_SKIPPED: Final = frozenset("\"'`")


def guard(value: str) -> str:
    """The text, with an apostrophe in front when a spreadsheet could read it as a formula.

    Leading blanks, quotes, control and invisible characters are looked through; a leading tab or line break is
    reason enough. NUL is removed, because spreadsheets drop it.
    """
    text = value.replace("\x00", "")
    if text[:1].isalnum() or not text:
        return text
    if text[0] in "\t\r\n":
        return "'" + text
    for character in text:
        if character in _SIGNS:
            return "'" + text
        if character not in _SKIPPED and unicodedata.category(character)[0] not in "ZC":
            return text
    return text
