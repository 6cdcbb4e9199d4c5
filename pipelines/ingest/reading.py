"""DuckDB's CSV reader with its reject tables: a file becomes Parquet of text columns, memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInputError
from contracts.words import RejectReason
from pipelines.ingest.detect import FileShape, count_lines, open_bytes, stream_text

ROW_NUMBER: Final = "_row_number"
_CHUNK: Final = 1 << 20
_SMALL_FILE: Final = 32 << 20  # bytes below which a second thread costs more than it brings
_REJECT_SCHEMA: Final = pa.schema([(ROW_NUMBER, pa.int64()), ("column_name", pa.string()), ("reason", pa.string())])


def quoted(name: str) -> str:
    """SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def read_into(path: Path, shape: FileShape, folder: Path, *, memory: str, threads: int) -> tuple[int, int]:
    """Write `data.parquet` and, when rows are malformed, `rejects.parquet` into `folder`.

    Row numbers count the records of the file from 1 without header and blank lines, rejected ones included. A record
    that an open quote swallowed is rejected as often as it has lines, and lines that the reader cannot account for
    are rejected with row number 0, so that no line disappears.

    Returns:
        Rows written and rows rejected.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": 1 if path.stat().st_size < _SMALL_FILE else threads,
        "temp_directory": str(folder / "spill"),
    }
    with duckdb.connect(config=config) as connection:
        if shape.is_parquet:
            return _copy_parquet(connection, path, shape, folder), 0
        readable = path
        if not shape.is_utf8:
            readable = _transcode(path, shape, folder)
            lines, blanks = count_lines(readable)
            shape = replace(shape, line_count=lines, blank_count=blanks)
        raw = folder / "raw.parquet"
        rows = _copy_csv(connection, readable, shape, raw)
        rejects = _rejects(connection, readable, shape)
        lost = _lost_lines(connection, raw, shape, rows=rows, rejects=rejects) if shape.line_count else 0
    table = _reject_table(rejects, lost)
    if table.num_rows == 0:
        raw.rename(folder / "data.parquet")
    else:
        _number_rows(raw, np.array([item[0] for item in rejects], dtype=np.int64), folder / "data.parquet")
        raw.unlink()
        pq.write_table(table, folder / "rejects.parquet", compression="zstd")
    return rows, table.num_rows


def _copy_parquet(connection: duckdb.DuckDBPyConnection, path: Path, shape: FileShape, folder: Path) -> int:
    names = pq.read_schema(path).names
    columns = ", ".join(
        f"cast({quoted(old)} as varchar) as {quoted(new)}" for old, new in zip(names, shape.header, strict=True)
    )
    target = folder / "data.parquet"
    connection.execute(
        f"copy (select row_number() over () as {ROW_NUMBER}, {columns} from read_parquet({text(str(path))})) "
        f"to {text(str(target))} (format parquet, compression zstd)"
    )
    return int(pq.read_metadata(target).num_rows)


def _transcode(path: Path, shape: FileShape, folder: Path) -> Path:
    """The file as UTF-8 in the temporary folder, piece by piece."""
    target = folder / "text.csv"
    with target.open("w", encoding="utf-8", newline="") as handle:
        try:
            for piece in stream_text(path, shape):
                handle.write(piece)
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"The text is not {shape.encoding} throughout.",
                where=str(path),
                remedy="Save the file as UTF-8 and export again.",
            ) from error
    return target


def _copy_csv(connection: duckdb.DuckDBPyConnection, path: Path, shape: FileShape, target: Path) -> int:
    columns = ", ".join(f"{text(name)}: 'varchar'" for name in shape.header)
    compression = shape.compression if shape.is_utf8 else "none"
    try:
        connection.execute(
            f"copy (select row_number() over () as {ROW_NUMBER}, * from read_csv({text(str(path))}, "
            f"auto_detect = false, columns = {{{columns}}}, header = true, skip = {shape.skip_lines}, "
            f"delim = {text(shape.delimiter)}, quote = '\"', escape = '\"', compression = {text(compression)}, "
            f"store_rejects = true, rejects_limit = 0)) to {text(str(target))} (format parquet, compression zstd)"
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise BadInputError(
            f"The file is no table of text: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="Export it again as CSV with a header line.",
        ) from error
    return int(pq.read_metadata(target).num_rows)


def _rejects(
    connection: duckdb.DuckDBPyConnection, path: Path, shape: FileShape
) -> list[tuple[int, str | None, str, int]]:
    """Malformed records: row number, column where the trouble starts, reason, lines that the record swallowed."""
    found = connection.execute(
        """
        select line_byte_position, any_value(line),
               min(column_idx + case when error_type = 'MISSING COLUMNS' then 1 else 0 end), min(error_type),
               max(case when error_type = 'UNQUOTED VALUE'
                        then len(trim(csv_line, chr(10) || chr(13)))
                             - len(replace(trim(csv_line, chr(10) || chr(13)), chr(10), ''))
                        else 0 end)
        from reject_errors group by line_byte_position order by line_byte_position
        """
    ).fetchall()
    if not found:
        return []
    blanks = _blank_offsets(path, shape) if shape.blank_count else np.empty(0, dtype=np.int64)
    positions = np.array([row[0] for row in found], dtype=np.int64)
    numbers = np.array([row[1] for row in found], dtype=np.int64) - 1 - shape.skip_lines
    numbers -= np.searchsorted(blanks, positions)
    numbers = np.maximum.accumulate(np.maximum(numbers, 1) - np.arange(len(numbers))) + np.arange(len(numbers))
    result = []
    for number, (_, _, column, error, swallowed) in zip(numbers.tolist(), found, strict=True):
        name = shape.header[column - 1] if column and 1 <= column <= len(shape.header) else None
        reason = RejectReason.ENCODING if error == "INVALID ENCODING" else RejectReason.MALFORMED_ROW
        result.append((number, name, reason.value, int(swallowed)))
    return result


def _blank_offsets(path: Path, shape: FileShape) -> npt.NDArray[np.int64]:
    """Byte offsets of empty lines in the decompressed UTF-8 text."""
    offsets: list[int] = []
    position = 0
    with open_bytes(path, shape.compression if shape.is_utf8 else "none") as stream:
        for line in _lines(stream):
            if line in (b"\n", b"\r\n"):
                offsets.append(position)
            position += len(line)
    return np.array(offsets, dtype=np.int64)


def _lines(stream: object) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK):  # type: ignore[attr-defined]
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            yield part + b"\n"
    if rest:
        yield rest


def _lost_lines(
    connection: duckdb.DuckDBPyConnection,
    raw: Path,
    shape: FileShape,
    *,
    rows: int,
    rejects: list[tuple[int, str | None, str, int]],
) -> int:
    """Lines of the file that neither the rows nor the rejects explain."""
    seen = rows + shape.skip_lines + 1 + shape.blank_count + sum(1 + item[3] for item in rejects)
    if shape.line_count <= seen:
        return 0
    inner = " + ".join(
        f"case when contains({quoted(name)}, chr(10)) "
        f"then len({quoted(name)}) - len(replace({quoted(name)}, chr(10), '')) else 0 end"
        for name in shape.header
    )
    row = connection.execute(f"select sum({inner}) from read_parquet({text(str(raw))})").fetchone()
    seen += int(row[0] or 0) if row else 0
    seen += sum(name.count("\n") for name in shape.header)
    row = connection.execute(
        """select sum(n) from (select max(len(trim(csv_line, chr(10) || chr(13)))
             - len(replace(trim(csv_line, chr(10) || chr(13)), chr(10), ''))) as n
           from reject_errors where error_type <> 'UNQUOTED VALUE' group by line_byte_position)"""
    ).fetchone()
    seen += int(row[0] or 0) if row else 0
    return max(0, shape.line_count - seen)


def _reject_table(rejects: list[tuple[int, str | None, str, int]], lost: int) -> pa.Table:
    numbers: list[int] = []
    columns: list[str | None] = []
    reasons: list[str] = []
    for number, column, reason, swallowed in rejects:
        copies = 1 + swallowed
        numbers += [number] * copies
        columns += [column] * copies
        reasons += [reason] * copies
    numbers += [0] * lost
    columns += [None] * lost
    reasons += [RejectReason.MALFORMED_ROW.value] * lost
    return pa.table([numbers, columns, reasons], schema=_REJECT_SCHEMA)


def _number_rows(raw: Path, rejected: npt.NDArray[np.int64], target: Path) -> None:
    """Shift ordinals by the rejected records above each row; streamed in order."""
    above = rejected - np.arange(1, len(rejected) + 1)  # accepted rows before each rejected one
    with pq.ParquetFile(raw) as source, pq.ParquetWriter(target, source.schema_arrow, compression="zstd") as writer:
        for batch in source.iter_batches(batch_size=100_000):
            ordinal = batch.column(0).to_numpy()
            numbers = ordinal + np.searchsorted(above, ordinal, side="left")
            writer.write_batch(
                pa.RecordBatch.from_arrays(
                    [pa.array(numbers, pa.int64()), *batch.columns[1:]], schema=source.schema_arrow
                )
            )
