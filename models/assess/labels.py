"""Finds out which value of a label column means that it happened."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.errors import BadInputError

# fmt: off
_YES: Final = frozenset((
    "1", "1.0", "yes", "y", "true", "t", "ja", "j", "oui", "o", "si", "sí", "s", "x", "positive", "pos", "won", "win",
    "converted", "convert", "success", "successful", "responded", "response", "replied", "reactivated", "purchased",
    "bought", "buyer", "donated", "donor", "clicked", "visited", "churned", "good", "paid", "subscribed", "accepted",
))
_NO: Final = frozenset((
    "0", "0.0", "-1", "-1.0", "no", "n", "false", "f", "nein", "non", "none", "negative", "neg", "lost", "loss",
    "unconverted", "failed", "failure", "unresponsive", "inactive", "not_converted", "bad", "unpaid", "unsubscribed",
    "rejected", "refused", "declined",
))
# fmt: on
_COMPARISON: Final = re.compile(r"\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*")
_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_SHOWN: Final = 6


@dataclass(frozen=True)
class LabelReading:
    """How a label column is read.

    Attributes:
        positive: values that mean yes, as they stand in the table; a comparison such as `>0` stands alone.
        blanks_mean_no: the column is filled only where it happened.
        how: the reading in words.
    """

    positive: tuple[str, ...]
    blanks_mean_no: bool
    how: str

    def sql(self, value: str) -> str:
        """The same as a DuckDB expression over `value`, SQL text that is null for blanks: true, false or null."""
        found = _COMPARISON.fullmatch(self.positive[0]) if len(self.positive) == 1 else None
        if found:
            said = f"(try_cast({value} as double) {found[1]} {float(found[2])!r})"
        else:
            words = ", ".join("'" + word.replace("'", "''") + "'" for word in self.positive)
            said = f"({value} in ({words}))"
        return f"coalesce({said}, false)" if self.blanks_mean_no else said


def read_label(counts: Mapping[str, int], *, blanks: int, positive: str | None, column: str) -> LabelReading:
    """Decide from the distinct values of a label what a positive is.

    Args:
        counts: value -> rows, blanks left out.
        blanks: rows without a value.
        positive: what the user says is a positive: a value, or a comparison with a number (`>0`).
        column: name of the label, for errors.

    Raises:
        BadInputError: the column is empty, has one class, or leaves open which value is the positive.
    """
    tidy: dict[str, int] = {}
    for value, rows in counts.items():
        tidy[str(value).strip()] = tidy.get(str(value).strip(), 0) + int(rows)
    shown = _listed(tidy)
    if not tidy:
        raise BadInputError(f"The label '{column}' is empty.", where=column, remedy="Name another column with --label.")
    if positive is not None:
        return _declared(tidy, blanks=blanks, positive=positive.strip(), column=column)
    if len(tidy) == 1:
        only = next(iter(tidy))
        hint = f" If blanks mean no, say --positive {only!r}." if blanks else ""
        raise BadInputError(
            f"The label '{column}' has one class only: every filled row says {only!r}.",
            where=column,
            remedy=f"A table needs rows with and without the outcome.{hint}",
        )
    numbers = [_number(value) for value in tidy]
    if all(number in (0.0, 1.0) for number in numbers):
        chosen = tuple(value for value, number in zip(tidy, numbers, strict=True) if number == 1.0)
        return LabelReading(chosen, False, f"1 of '{column}' is the outcome")
    words = {value: value.casefold() for value in tidy}
    yes = tuple(value for value, word in words.items() if word in _YES)
    no = tuple(value for value, word in words.items() if word in _NO)
    if yes and len(yes) + len(no) == len(tidy) and (no or len(tidy) > len(yes)):
        return LabelReading(yes, False, f"{', '.join(map(repr, yes))} of '{column}' is the outcome")
    if len(tidy) == 2 and len(yes) + len(no) == 1 and None in numbers:
        chosen = yes or tuple(value for value in tidy if value not in no)
        return LabelReading(chosen, False, f"{chosen[0]!r} of '{column}' is the outcome")
    raise BadInputError(
        f"The label '{column}' has {len(tidy):,} values ({shown}), and which of them is the outcome is not plain.",
        where=column,
        remedy='Name it with --positive, for example --positive "Won", or --positive ">0" for an amount.',
    )


def _declared(tidy: Mapping[str, int], *, blanks: int, positive: str, column: str) -> LabelReading:
    comparison = _COMPARISON.fullmatch(positive)
    if comparison:
        numbers = {value: _number(value) for value in tidy}
        unread = [value for value, number in numbers.items() if number is None]
        if unread:
            raise BadInputError(
                f"--positive {positive!r} compares numbers, but the label '{column}' holds {unread[0]!r}.",
                where=column,
                remedy="Name one of its values instead.",
            )
        chosen: tuple[str, ...] = (positive,)
        hits = [value for value, n in numbers.items() if _OPERATORS[comparison[1]](n, float(comparison[2]))]
    else:
        chosen = tuple(value for value in tidy if value.casefold() == positive.casefold())
        number = _number(positive)
        chosen = chosen or tuple(value for value in tidy if number is not None and _number(value) == number)
        hits = list(chosen)
    if not hits:
        raise BadInputError(
            f"The label '{column}' never says {positive!r}; it says {_listed(tidy)}.",
            where=column,
            remedy="Give --positive one of these values.",
        )
    if len(hits) == len(tidy) and not blanks:
        raise BadInputError(
            f"The label '{column}' has one class only: every row is positive under {positive!r}.",
            where=column,
            remedy="A table needs rows with and without the outcome.",
        )
    blanks_mean_no = len(hits) == len(tidy)
    how = f"{positive!r} of '{column}' is the outcome" + (", a blank means no" if blanks_mean_no else "")
    return LabelReading(chosen, blanks_mean_no, how)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(value.casefold())


def _listed(counts: Mapping[str, int]) -> str:
    top = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    more = f" and {len(top) - _SHOWN:,} more" if len(top) > _SHOWN else ""
    return ", ".join(f"{value!r} in {rows:,} rows" for value, rows in top[:_SHOWN]) + more
