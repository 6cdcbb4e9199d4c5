"""Reads a flat file of any delimiter, encoding or size into the table of an assessment; memory stays bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd

from contracts.errors import BadInputError
from models.assess.labels import LabelReading, read_label
from models.assess.table import Bools, FlatTable, Floats
from pipelines.assess.column_types import ColumnType, find_types, read_time, tidy
from pipelines.assess.request import Request
from pipelines.ingest.detect import find_shape
from pipelines.ingest.reading import ROW_NUMBER, quoted, read_into, text

MOST_ROWS: Final = 250_000
MOST_CELLS: Final = 100_000_000
# No file has columns of these names: they hold what a file may not.
_OUTCOME, _SAMPLING, _HELD_OUT, _ROLE = (f"__assess__{name}" for name in ("outcome", "sampling", "held_out", "role_"))
_ABSURD: Final = 1e30  # no count, amount or measure is larger; sums of squares would end
_MANY_COLUMNS: Final = 200  # above this numbers are kept in four bytes
_MOST_REJECTS: Final = 0.2
_LABEL_VALUES: Final = 1_000_000
_ROLES: Final = ("time", "group", "value", "treatment", "propensity", "weight")


@dataclass
class _Found:
    """What reading learns on its way."""

    notes: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


def read_table(path: Path, request: Request, *, folder: Path, memory: str, threads: int) -> FlatTable:
    """Read what an assessment needs.

    Args:
        path: CSV (plain, gzip, zstd) or Parquet.
        request: columns by role.
        folder: empty folder for intermediate files.
        memory, threads: limits of DuckDB.

    Raises:
        BadInputError: the file cannot be read, or a role cannot be filled from it.
    """
    shape = find_shape(path)
    request = request.resolved(shape.header, where=str(path))
    rows, rejects = read_into(path, shape, folder, memory=memory, threads=threads)
    found = _Found()
    if rows == 0:
        raise BadInputError(
            "The file has a header and no rows.", where=str(path), remedy="Export it again and replace it."
        )
    if rejects:
        found.notes.append(f"{rejects:,} malformed lines are left out")
        if rejects > _MOST_REJECTS * (rows + rejects):
            raise BadInputError(
                f"{rejects:,} of {rows + rejects:,} lines do not fit the header.",
                where=str(path),
                remedy="Export it again; quote values that hold the delimiter.",
            )
    config: dict[str, Any] = {"memory_limit": memory, "threads": threads, "temp_directory": str(folder / "spill")}
    with duckdb.connect(str(folder / "table.duckdb"), config=config) as connection:
        columns = ", ".join(tidy(name) for name in shape.header)
        source = f"read_parquet({text(str(folder / 'data.parquet'))})"
        connection.execute(f"create table t as select {ROW_NUMBER}, {columns} from {source}")
        return _read(connection, shape.header, request, found, where=str(path))


def _read(
    connection: duckdb.DuckDBPyConnection, header: Sequence[str], request: Request, found: _Found, *, where: str
) -> FlatTable:
    label = _label(connection, request, where)
    found.notes.append(label.how)
    found.dropped |= dict.fromkeys(request.drop, "named with --drop")
    types = find_types(connection, "t", [name for name in header if name not in request.drop])
    if request.time is not None:
        types[request.time] = (
            ColumnType(ROW_NUMBER, "number", ROW_NUMBER)
            if request.time == ROW_NUMBER
            else read_time(connection, "t", request.time, declared=request.date_format, where=where)
        )
    found.notes += [one.note for one in types.values() if one.note]
    for role in ("value", "propensity", "weight"):
        name = getattr(request, role)
        if name is not None and types[name].kind != "number":
            raise BadInputError(
                f"The column '{name}' (--{'population-weight' if role == 'weight' else role}) holds no numbers.",
                where=where,
                remedy="Name a column of numbers.",
            )
    _typed_table(connection, types, request, label)
    held_out = _held_out(connection, request, where)
    return _fetch(connection, types, request, label, held_out, found, where=where)


def _label(connection: duckdb.DuckDBPyConnection, request: Request, where: str) -> LabelReading:
    value = quoted(request.label)
    counts = connection.execute(
        f"select {value} as v, count(*) from t group by 1 order by 2 desc, 1 limit {_LABEL_VALUES}"
    ).fetchall()
    known = {str(one): int(rows) for one, rows in counts if one is not None}
    blanks = sum(int(rows) for one, rows in counts if one is None)
    try:
        return read_label(known, blanks=blanks, positive=request.positive, column=request.label)
    except BadInputError as error:
        raise BadInputError(error.what, where=where, remedy=error.remedy) from error


def _typed_table(
    connection: duckdb.DuckDBPyConnection, types: Mapping[str, ColumnType], request: Request, label: LabelReading
) -> None:
    """`typed`: every column in its type, under its own name, with the row number and the outcome beside.

    From here on nothing that a user's expression says can reach a file or anything but this table.
    """
    parts = [f"{one.sql} as {quoted(name)}" for name, one in types.items() if name != ROW_NUMBER]
    outcome = label.sql(quoted(request.label))
    connection.execute(f"create table typed as select {ROW_NUMBER}, {', '.join(parts)}, {outcome} as {_OUTCOME} from t")
    connection.execute("drop table t")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _held_out(connection: duckdb.DuckDBPyConnection, request: Request, where: str) -> str | None:
    """The test filter as SQL, tried on the table alone."""
    if request.test_filter is None:
        return None
    expression = f"coalesce(cast(({request.test_filter}) as boolean), false)"
    remedy = """Write a DuckDB expression over the columns, for example --test-filter "year >= 2024"."""
    try:
        statements = duckdb.extract_statements(f"select count(*) filter ({expression}), count(*) from typed")
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise BadInputError("The test filter is not one expression.", where=where, remedy=remedy)
        row = connection.execute(statements[0]).fetchone()
    except duckdb.Error as error:
        told = str(error).splitlines()[0].removeprefix("Binder Error: ")
        raise BadInputError(f"The test filter cannot be used: {told}", where=where, remedy=remedy) from error
    chosen, rows = row or (0, 0)
    if chosen in (0, rows):
        which = "no row" if chosen == 0 else "every row"
        raise BadInputError(f"The test filter holds out {which}.", where=where, remedy=remedy)
    return expression


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    types: Mapping[str, ColumnType],
    request: Request,
    label: LabelReading,
    held_out: str | None,
    found: _Found,
    *,
    where: str,
) -> FlatTable:
    del label
    features = [name for name in types if name not in request.roles and name != ROW_NUMBER]
    counted = connection.execute(
        f"select count({_OUTCOME}), count(*), count(*) filter ({_OUTCOME}) from typed"
    ).fetchone() or (0, 0, 0)
    total, rows, hits = (int(one) for one in counted)
    if total < rows:
        found.notes.append(f"{rows - total:,} rows without an outcome are left out")
    sample, weight = _sample(request, rows=total, hits=hits, columns=len(features), found=found)
    parts = [_feature_sql(name, types[name].kind, short=len(features) > _MANY_COLUMNS) for name in features]
    _tell_absurd(connection, [name for name in features if types[name].kind == "number"], found)
    parts += [f"{_OUTCOME}, {ROW_NUMBER}, {weight} as {_SAMPLING}, {held_out or 'null::boolean'} as {_HELD_OUT}"]
    for role in _ROLES:
        name = getattr(request, role)
        parts.append(f"{quoted(name) if name else 'null'} as {_ROLE}{role}")
    frame = connection.execute(
        f"select {', '.join(parts)} from typed where {_OUTCOME} is not null and {sample} order by {ROW_NUMBER}"
    ).df()
    return _table(frame, features, types, request, total, found, is_sample=weight != "1.0", where=where)


def _feature_sql(name: str, kind: str, *, short: bool) -> str:
    if kind != "number":
        return quoted(name)
    sane = f"case when abs({quoted(name)}) <= {_ABSURD!r} then {quoted(name)} end"
    return f"({sane}){'::float' if short else ''} as {quoted(name)}"


def _tell_absurd(connection: duckdb.DuckDBPyConnection, names: Sequence[str], found: _Found) -> None:
    if not names:
        return
    counts = ", ".join(f"count(*) filter (abs({quoted(name)}) > {_ABSURD!r})" for name in names)
    row = connection.execute(f"select {counts} from typed").fetchone() or ()
    for name, count in zip(names, row, strict=True):
        if count:
            found.notes.append(f"{count:,} values of '{name}' are beyond {_ABSURD:.0e} and read as missing")


def _sample(request: Request, *, rows: int, hits: int, columns: int, found: _Found) -> tuple[str, str]:
    """SQL of which rows are taken, and of how many each stands for."""
    most = int(min(MOST_ROWS, max(20_000, MOST_CELLS // max(columns, 1))))
    if rows <= most:
        return "true", "1.0"
    unit = f"coalesce({quoted(request.group)}::varchar, {ROW_NUMBER}::varchar)" if request.group else ROW_NUMBER
    draw = f"(hash({unit}, {request.seed}) / 18446744073709551616.0)"
    if request.group or request.treatment or hits >= most / 10:
        share = most / rows
        found.notes.append(f"fitted and judged on a sample of about {most:,} of {rows:,} rows")
        return f"{draw} < {share!r}", "1.0"
    # Positives are rare: all of them stay, the others are drawn and stand for those left out.
    keep = min(1.0, (most / 2) / max(hits, 1))
    share = (most - keep * hits) / (rows - hits)
    found.notes.append(
        f"fitted and judged on a sample of about {most:,} of {rows:,} rows: {keep:.0%} of the positives, "
        f"{share:.1%} of the others, weighted back"
    )
    taken = f"{draw} < case when {_OUTCOME} then {keep!r} else {share!r} end"
    return taken, f"case when {_OUTCOME} then {1 / keep!r} else {1 / share!r} end"


def _table(
    frame: pd.DataFrame,
    features: Sequence[str],
    types: Mapping[str, ColumnType],
    request: Request,
    total: int,
    found: _Found,
    *,
    is_sample: bool,
    where: str,
) -> FlatTable:
    keep = np.ones(len(frame), dtype=bool)
    time = _time(frame, types, request, keep, found)
    weight = _weight(frame, request, keep, found, is_sample=is_sample, where=where)
    y = frame[_OUTCOME].to_numpy(dtype=bool)
    value = _value(frame, request, y, found)
    table = FlatTable(
        columns=frame[list(features)],
        y=y,
        time=time,
        group=_group(frame, request),
        value=value,
        treatment=_treatment(frame, request),
        propensity=frame[f"{_ROLE}propensity"].to_numpy(dtype=np.float64, na_value=np.nan)
        if request.propensity
        else None,
        weight=weight,
        is_test=frame[_HELD_OUT].to_numpy(dtype=bool) if request.test_filter is not None else None,
        time_is_date=request.time is not None and types[request.time].kind == "date",
        total_rows=total,
        notes=tuple(found.notes),
        dropped=found.dropped,
        unavailable=found.unavailable,
    )
    return table if keep.all() else table.take(np.flatnonzero(keep))


def _time(
    frame: pd.DataFrame, types: Mapping[str, ColumnType], request: Request, keep: Bools, found: _Found
) -> Floats | None:
    if request.time is None:
        return None
    series = frame[f"{_ROLE}time"]
    if types[request.time].kind == "date":
        stamps = series.to_numpy(dtype="datetime64[s]")
        values = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 86_400.0)
    else:
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    missing = np.isnan(values)
    if missing.any():
        found.notes.append(f"{int(missing.sum()):,} rows without a time are left out")
        keep &= ~missing
    return np.asarray(values, dtype=np.float64)


def _weight(
    frame: pd.DataFrame, request: Request, keep: Bools, found: _Found, *, is_sample: bool, where: str
) -> Floats | None:
    drawn = frame[_SAMPLING].to_numpy(dtype=np.float64)
    if request.weight is None:
        return drawn if is_sample else None
    values = frame[f"{_ROLE}weight"].to_numpy(dtype=np.float64, na_value=np.nan)
    if (values < 0).any():
        raise BadInputError(
            f"{int((values < 0).sum()):,} population weights are below zero.",
            where=where,
            remedy="A weight says how many people a row stands for; mend the column.",
        )
    if (values > _ABSURD).any():
        raise BadInputError(
            f"{int((values > _ABSURD).sum()):,} population weights are beyond {_ABSURD:.0e}.",
            where=where,
            remedy="A weight says how many people a row stands for; mend the column.",
        )
    unusable = ~(values > 0)
    if unusable.all():
        raise BadInputError("No row has a population weight above zero.", where=where, remedy="Mend the column.")
    if unusable.any():
        found.notes.append(f"{int(unusable.sum()):,} rows without a population weight are left out")
        keep &= ~unusable
    return np.asarray(np.where(unusable, 1.0, values) * drawn, dtype=np.float64)


def _value(frame: pd.DataFrame, request: Request, y: Bools, found: _Found) -> Floats | None:
    if request.value is None:
        if request.cost is not None:
            found.unavailable["profit"] = "a cost is given but no --value, so nothing can be earned"
        return None
    values = frame[f"{_ROLE}value"].to_numpy(dtype=np.float64, na_value=np.nan)
    below = int((values < 0).sum())
    if below:
        found.unavailable["profit"] = (
            f"{below:,} amounts in '{request.value}' are below zero; a refund is no amount: net it or blank it"
        )
        return None
    if (absurd := int((np.abs(values) > _ABSURD).sum())) > 0:
        found.unavailable["profit"] = (
            f"{absurd:,} amounts in '{request.value}' are beyond {_ABSURD:.0e}; mend the column"
        )
        return None
    given = np.isfinite(values) & (values > 0)
    if not (given & y).any():
        found.unavailable["profit"] = f"no positive row has an amount in '{request.value}'"
        return None
    if (gaps := int((y & ~given).sum())) > 0:
        found.notes.append(f"{gaps:,} positives without an amount count as bringing nothing")
    if (odd := int((~y & given).sum())) > 0:
        found.notes.append(f"amounts of {odd:,} rows that are not positive are not counted")
    return np.asarray(np.where(y & given, values, np.nan), dtype=np.float64)


def _group(frame: pd.DataFrame, request: Request) -> np.ndarray[Any, Any] | None:
    if request.group is None:
        return None
    alone = "row " + frame[ROW_NUMBER].astype(str)
    series = frame[f"{_ROLE}group"]
    return series.astype(object).where(series.notna(), alone).astype(str).to_numpy(dtype=object)


def _treatment(frame: pd.DataFrame, request: Request) -> np.ndarray[Any, Any] | None:
    if request.treatment is None:
        return None
    series = frame[f"{_ROLE}treatment"]
    if series.dtype.kind in "fiu":
        series = series.map(lambda number: None if pd.isna(number) else f"{number:g}")
    words = series.astype(object).where(series.notna(), None)
    return words.to_numpy(dtype=object)
