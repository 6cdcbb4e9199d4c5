"""What kind of feature every column is, and which columns are none: identifiers, empty and constant ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.assess.table import FlatTable, Floats
from models.features import FeatureSpec, Kind

NO_VALUE: Final = "no value in the rows"
ONE_VALUE: Final = "the same value in all rows"
IDENTIFIER: Final = "an identifier: it names the row and says nothing about the next one"
_DAY: Final = 86_400.0
_SURE: Final = 12.0  # log of the odds against all values being distinct by chance
_NAMES_A_ROW: Final = 0.95  # share of distinct values above which a word is a name of the row
_REPEATING_NAME: Final = 0.2  # the same for a column that calls itself an identifier
_ID_NAME: Final = re.compile(
    r"(^|[ _\-.])(id|ids|uuid|guid|hash|token|email|e-mail|phone|mobile|rowid|recordid)$|^controln$|^unnamed: 0$|"
    r"^(mql|lead|customer|contact|person|account|user|order|invoice|record|client|donor|member)_?(id|no|number)\b",
    re.IGNORECASE,
)
# A ZIP code or a price index tells something, an order code does not: only one that hardly repeats names the row.
_MAYBE_ID: Final = re.compile(r"(^|[ _\-.])(key|number|no|nr|num|code|ref|reference|index)$", re.IGNORECASE)
_CAMEL_ID: Final = re.compile(r"(?<=[a-z])(ID|Id|Uuid|Guid)$")
_WORDS_OF_TEXT: Final = 3.0
_SAMPLE: Final = 2_000


@dataclass(frozen=True)
class TypedColumns:
    """Features of a table.

    Attributes:
        frame: one column per feature: numbers as float64, the others as text, missing as None.
        specs: the features; `kind` is number, flag, category or text.
        dropped: columns that are no features -> why.
    """

    frame: pd.DataFrame
    specs: tuple[FeatureSpec, ...]
    dropped: dict[str, str]


def type_columns(table: FlatTable) -> TypedColumns:
    """Type every column of a table and drop what cannot be a feature, with the reason."""
    out: dict[str, Any] = {}
    specs: list[FeatureSpec] = []
    dropped = dict(table.dropped)
    for name in table.columns.columns:
        series = table.columns[name]
        values, kind, reason = _judge(str(name), series, table)
        if reason is not None:
            dropped[str(name)] = reason
            continue
        out[str(name)] = values
        specs.append(feature(str(name), kind))
    return TypedColumns(pd.DataFrame(out, index=pd.RangeIndex(len(table)), copy=False), tuple(specs), dropped)


def feature(name: str, kind: Kind) -> FeatureSpec:
    """A column of a flat table as a feature."""
    return FeatureSpec(name, kind, "stage", name, f"{name} {{value}}")


def _judge(name: str, series: pd.Series, table: FlatTable) -> tuple[Any, Kind, str | None]:
    if series.dtype.kind == "M":
        return _days(series, table), "number", _empty(series)
    if series.dtype.kind in "fiub":
        values = series.to_numpy(dtype=np.float64)
        return values, _number_kind(values), _empty(series) or _number_reason(name, values)
    text = series.astype(object).where(series.notna(), None)
    kind, reason = _text_kind(name, text)
    return text.to_numpy(dtype=object), kind, _empty(series) or reason


def _empty(series: pd.Series) -> str | None:
    filled = int(series.notna().sum())
    if filled == 0:
        return NO_VALUE
    if filled == len(series) and series.iloc[0] == series.iloc[-1] and series.nunique() == 1:
        return ONE_VALUE
    return None


def _days(series: pd.Series, table: FlatTable) -> Floats:
    """Age in days at the row's own time where it has one, else days since 1970."""
    stamps = series.to_numpy(dtype="datetime64[s]")
    days = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / _DAY)
    return np.asarray(table.time - days if table.time is not None and table.time_is_date else days, dtype=np.float64)


def _number_kind(values: Floats) -> Kind:
    known = values[~np.isnan(values)]
    return "flag" if known.size and bool(np.isin(known, (0.0, 1.0)).all()) else "number"


def _number_reason(name: str, values: Floats) -> str | None:
    known = values[~np.isnan(values)]
    if known.size < 2 or not np.all(known == np.floor(known)) or float(np.abs(known).max()) > 2**53:
        return None
    distinct = np.unique(known)
    if distinct.size == known.size and known.size >= 10:
        # Birthdays: so many draws out of so wide a range are all distinct with odds of exp(-n^2 / 2 range).
        width = float(distinct[-1] - distinct[0]) + 1.0
        if known.size**2 / (2.0 * width) > _SURE or (is_id_name(name) and known.size >= 20):
            return IDENTIFIER
    if distinct.size > max(_least_share(name) * known.size, 50):
        return IDENTIFIER
    return None


def _text_kind(name: str, text: pd.Series) -> tuple[Kind, str | None]:
    known = text.dropna()
    if known.empty:
        return "category", None
    share = known.nunique() / len(known)
    some = known.iloc[:: max(1, len(known) // _SAMPLE)].astype(str)
    words = float(some.str.count(r"\S+").mean())
    if float(some.str.fullmatch(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}").mean()) > 0.9:
        return "category", IDENTIFIER
    if words >= _WORDS_OF_TEXT and share > 0.5 and len(known) >= 20:
        return "text", None
    is_name = share > _NAMES_A_ROW and len(known) >= 10
    if is_name or (share > _least_share(name) and known.nunique() > 50):
        return "category", IDENTIFIER
    return "category", None


def is_id_name(name: str) -> bool:
    """Whether a column may call itself an identifier."""
    return _least_share(name) < 1.0


def _least_share(name: str) -> float:
    """Share of distinct values above which a column is an identifier by its name; 1 where its name says nothing."""
    plain = name.strip()
    if _ID_NAME.search(plain) or _CAMEL_ID.search(plain):
        return _REPEATING_NAME
    return _NAMES_A_ROW if _MAYBE_ID.search(plain) else 1.0


def duplicate_groups(frame: pd.DataFrame) -> NDArray[Any] | None:
    """A number per row, alike for rows that agree on every feature; None where few or nearly all rows repeat.

    A table of a few coarse columns repeats itself by chance: there a repetition is no duplicate.
    """
    if frame.shape[1] < 3 or len(frame) < 2:
        return None
    hashed = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    codes, distinct = pd.factorize(hashed)
    repeats = len(frame) - len(distinct)
    largest = int(np.bincount(codes).max())
    if repeats == 0 or repeats > 0.5 * len(frame) or largest > max(0.02 * len(frame), 5):
        return None
    return np.asarray(codes)
