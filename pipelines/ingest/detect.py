"""What a file is made of: compression, encoding, delimiter and header, found from its bytes and never from its name.

The whole file is streamed once: its hash, its lines and every byte that is not UTF-8 are known before DuckDB reads it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa
from charset_normalizer import from_bytes

from contracts.errors import BadInputError

_CHUNK: Final = 1 << 20
_SAMPLE: Final = 1 << 18  # bytes that decide on delimiter and header
_CLEARLY: Final = 0.05  # difference in disorder, 0..1, that lets another code page win
_DELIMITERS: Final = (",", ";", "\t", "|")
_LATIN: Final = ["cp1252", "latin_1", "cp1250", "cp1251", "cp1254", "iso8859_15", "mac_roman"]
RESERVED: Final = "_row_number"  # a landing's own column
_REMEDY_EXPORT: Final = "Export the file again and replace it."


@dataclass(frozen=True)
class FileShape:
    """What was found.

    Args:
        compression: none, gzip or zstd.
        encoding: Python codec name of the text.
        has_bom: whether the text begins with a byte order mark.
        delimiter: one character.
        header: column names, made unique, in order.
        skip_lines: lines above the header (an Excel `sep=` line).
        line_count: line ends in the decompressed bytes, plus one when the last line has none; exact for encodings
            in which a line end is the byte 0x0A.
        blank_count: empty lines.
        is_utf8: DuckDB can read the bytes as they are; otherwise they are transcoded.
        is_parquet: the file is Parquet, and all of the above but `header` is without meaning.
    """

    compression: str = "none"
    encoding: str = "utf-8"
    has_bom: bool = False
    delimiter: str = ","
    header: tuple[str, ...] = ()
    skip_lines: int = 0
    line_count: int = 0
    blank_count: int = 0
    is_utf8: bool = True
    is_parquet: bool = False


def open_bytes(path: Path, compression: str) -> BinaryIO:
    """Decompressed byte stream of a file."""
    if compression == "gzip":
        return cast("BinaryIO", gzip.open(path, "rb"))
    if compression == "zstd":
        return cast("BinaryIO", pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return path.open("rb")


def find_shape(path: Path, *, encoding: str | None = None) -> FileShape:
    """Detect everything about a file by streaming it once.

    Args:
        path: CSV, compressed CSV or Parquet.
        encoding: declared codec, which wins over detection; None detects it.

    Raises:
        BadInputError: missing, empty, truncated or not text; the text names file, line and remedy.
    """
    head = _head(path)
    if head[:4] == b"PAR1":
        return _parquet_shape(path)
    if head[:4] == b"PK\x03\x04":
        raise BadInputError(
            "The file is a workbook or an archive.", where=str(path), remedy="Save the sheet as CSV or Parquet."
        )
    compression = "gzip" if head[:2] == b"\x1f\x8b" else "zstd" if head[:4] == b"\x28\xb5\x2f\xfd" else "none"
    scan = _scan(path, compression)
    if encoding is None:
        encoding, has_bom = _encoding(path, compression, scan)
    else:
        has_bom = scan.sample.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = _decode(scan.sample, encoding, path)
    header_text, skip = (text.split("\n", 1)[1], 1) if text[:4].lower() == "sep=" and "\n" in text else (text, 0)
    delimiter = text[4] if skip and text[4:5] in _DELIMITERS else _delimiter(header_text)
    header = _header(header_text, delimiter, path)
    return FileShape(
        compression=compression,
        encoding=encoding,
        has_bom=has_bom,
        delimiter=delimiter,
        header=header,
        skip_lines=skip,
        line_count=scan.line_count,
        blank_count=scan.blank_count,
        is_utf8=encoding == "utf-8",
    )


def count_lines(path: Path) -> tuple[int, int]:
    """Lines and empty lines of an uncompressed file."""
    scan = _scan(path, "none")
    return scan.line_count, scan.blank_count


def stream_text(path: Path, shape: FileShape) -> Iterator[str]:
    """Decoded text in pieces, without the byte order mark; memory does not grow with the file."""
    with open_bytes(path, shape.compression) as stream:
        decoder = codecs.getincrementaldecoder(shape.encoding)(errors="strict")
        is_first = True
        while True:
            chunk = stream.read(_CHUNK)
            text = decoder.decode(chunk, final=not chunk)
            if is_first and text:
                text, is_first = text.removeprefix("\ufeff"), False
            if text:
                yield text
            if not chunk:
                return


@dataclass
class _Scan:
    """What one pass over the bytes shows."""

    sample: bytes = b""
    line_count: int = 0
    blank_count: int = 0
    is_utf8: bool = True


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            head = handle.read(8)
    except FileNotFoundError as error:
        raise BadInputError(
            "The file does not exist.", where=str(path), remedy="Export it, or mend its path."
        ) from error
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        raise BadInputError(
            f"The file cannot be read: {reason}.", where=str(path), remedy="Give this user the right to read it."
        ) from error
    if not head:
        raise BadInputError("The file is empty.", where=str(path), remedy=_REMEDY_EXPORT)
    return head


def _scan(path: Path, compression: str) -> _Scan:
    """Count lines and check UTF-8 in one pass of constant memory."""
    scan = _Scan()
    decoder = codecs.getincrementaldecoder("utf-8")(errors="strict")
    tail = b"\n"
    sample = bytearray()
    last = b""
    try:
        with open_bytes(path, compression) as stream:
            while chunk := stream.read(_CHUNK):
                if len(sample) < _SAMPLE:
                    sample += chunk[: _SAMPLE - len(sample)]
                scan.line_count += chunk.count(b"\n")
                joined = tail + chunk
                scan.blank_count += _blank_lines(joined)
                tail = joined[-2:] if joined.endswith(b"\n\r") else joined[-1:]
                last = chunk[-1:]
                if scan.is_utf8:
                    scan.is_utf8 = _accepts(decoder, chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
        raise BadInputError(
            f"The compressed file is cut off or damaged after line {scan.line_count:,}.",
            where=f"{path}, line {scan.line_count + 1:,}",
            remedy="Copy or " + _REMEDY_EXPORT[0].lower() + _REMEDY_EXPORT[1:],
        ) from error
    if scan.is_utf8:
        scan.is_utf8 = _accepts(decoder, b"", final=True)
    if last not in (b"", b"\n"):
        scan.line_count += 1
    scan.sample = bytes(sample)
    if not scan.sample:
        raise BadInputError("The file is empty.", where=str(path), remedy=_REMEDY_EXPORT)
    return scan


def _blank_lines(data: bytes) -> int:
    count = 0
    if b"\n\n" in data or b"\n\r\n" in data:
        lines = data.split(b"\n")
        count = sum(1 for line in lines[1:-1] if line in (b"", b"\r"))
    return count


def _accepts(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _encoding(path: Path, compression: str, scan: _Scan) -> tuple[str, bool]:
    """Codec and whether there is a byte order mark."""
    sample = scan.sample
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", True
    has_bom = sample.startswith(codecs.BOM_UTF8)
    if scan.is_utf8 and b"\x00" not in sample[:1000]:
        return "utf-8", has_bom
    if sample[1:200:2].count(0) > 40:
        return "utf-16-le", False
    if sample[0:200:2].count(0) > 40:
        return "utf-16-be", False
    if sample.count(0) > len(sample) // 100:
        raise BadInputError(
            "The file is not text: it holds zero bytes.",
            where=f"{path}, line 1",
            remedy="Export it as CSV or Parquet (a workbook is not one).",
        )
    odd, good = _odd_lines(path, compression)
    if good > len(odd):  # a UTF-8 file with a few broken rows: those are rejected, the rest is right
        return "utf-8", has_bom
    return _single_byte(odd), False


def _single_byte(lines: list[bytes]) -> str:
    """Western code page unless another one reads the lines clearly better."""
    data = b"\n".join(lines[:2000])
    western = "cp1252"
    try:
        for line in lines:
            line.decode(western)
    except UnicodeDecodeError:
        western = "latin-1"
    matches = from_bytes(data, cp_isolation=_LATIN)
    best = matches.best()
    if best is None or data.decode(best.encoding) == data.decode(western, errors="replace"):
        return western
    chaos = [match.chaos for match in matches if {"cp1252", "latin_1"} & set(match.could_be_from_charset)]
    if chaos and min(chaos) <= best.chaos + _CLEARLY:
        return western
    return best.encoding.replace("_", "-")


def _odd_lines(path: Path, compression: str) -> tuple[list[bytes], int]:
    """Lines that are not UTF-8 (at most 100,000) and how many lines are UTF-8 beyond ASCII."""
    odd: list[bytes] = []
    good = 0
    with open_bytes(path, compression) as stream:
        for line in io.BufferedReader(cast("io.RawIOBase", stream), _CHUNK) if compression == "zstd" else stream:
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                good += 1
            except UnicodeDecodeError:
                odd.append(line[:500])
                if len(odd) >= 100_000:
                    break
    return odd, good


def _decode(sample: bytes, encoding: str, path: Path) -> str:
    codec = codecs.getincrementaldecoder(encoding)(errors="replace" if encoding == "utf-8" else "strict")
    try:
        return codec.decode(sample).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = sample[: error.start].count(b"\n") + 1
        raise BadInputError(
            f"The text is not {encoding}.", where=f"{path}, line {line}", remedy="Save the file as UTF-8."
        ) from error


def _records(text: str, delimiter: str, limit: int) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            records.append(record)
            if len(records) >= limit:
                break
    except csv.Error:
        pass
    return records


def _delimiter(text: str) -> str:
    """The delimiter under which most of the first 100 records have as many fields as the header has."""
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        records = [record for record in _records(text, delimiter, 100) if record]
        width = len(records[0]) if records else 0
        if width < 2:
            continue
        share = sum(1 for record in records if len(record) == width) / len(records)
        score = share * 100 + min(width, 50) / 100
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _header(text: str, delimiter: str, path: Path) -> tuple[str, ...]:
    records = _records(text, delimiter, 1)
    names = [name.strip() for name in records[0]] if records else []
    if any(sign < " " and sign not in "\t\r\n" for name in names for sign in name):
        raise BadInputError(
            "The file is not text: its first line holds control characters.",
            where=f"{path}, line 1",
            remedy="Export it as CSV or Parquet.",
        )
    if not any(names):
        raise BadInputError("The first line holds no column names.", where=f"{path}, line 1", remedy=_REMEDY_EXPORT)
    return unique_names(names)


def unique_names(names: list[str]) -> tuple[str, ...]:
    """Names made unique without regard to case: an empty one becomes `column_<n>`, a repeated one gets `_2`, `_3`."""
    taken = {RESERVED}
    result = []
    for position, name in enumerate(names, start=1):
        wanted = name or f"column_{position}"
        candidate, number = wanted, 2
        while candidate.casefold() in taken:
            candidate, number = f"{wanted}_{number}", number + 1
        taken.add(candidate.casefold())
        result.append(candidate)
    return tuple(result)


def _parquet_shape(path: Path) -> FileShape:
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInputError(
            "The Parquet file is cut off or damaged.", where=str(path), remedy=_REMEDY_EXPORT
        ) from error
    return FileShape(header=unique_names([str(name).strip() for name in names]), is_parquet=True, encoding="parquet")
