"""Taking people out of files: rows out of tables, words out of texts, and proof that nothing is left."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.files import sha256_bytes, sha256_file, write_atomic
from recovery.rights.matching import ERASED, Identifiers, cased, rows_by_person

_CSV: Final = (".csv", ".tsv")
_DATABASES: Final = (".duckdb", ".sqlite", ".db", ".wal", "-wal", "-shm", "-journal")
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A file that held somebody and does no longer.

    Attributes:
        path: where it stands now; None when it was removed.
        sha256_before, sha256_after: of its bytes.
        rows: rows or places that were taken out.
    """

    path: Path | None
    sha256_before: str
    sha256_after: str
    rows: int


class Eraser:
    """Takes people out of files.

    Args:
        people: who asked.
    """

    def __init__(self, people: Identifiers) -> None:
        self._people = people
        words = [word for word in (*people.words, *people.person_ids, *people.touch_ids) if word]
        self._patterns = [
            re.compile("|".join(re.escape(word) for word in words[start : start + _CHUNK]), re.IGNORECASE)
            for start in range(0, len(words), _CHUNK)
        ]

    def erase(self, path: Path) -> Rewritten | None:
        """Rewrite a file without these people; None when it does not hold them."""
        before = sha256_file(path)
        if path.suffix == ".parquet":
            changed = self._parquet(path)
        elif path.suffix in _CSV:
            changed = self._in_place(path, self._csv)
        elif path.suffix == ".gz":
            changed = self._in_place(path, self._gzip)
        elif path.suffix == ".zip":
            changed = self._in_place(path, self._zip)
        elif path.name.endswith(_DATABASES):
            return None
        else:
            changed = self._in_place(path, self._text)
        return None if changed == 0 else Rewritten(path, before, sha256_file(path), changed)

    def table(self, table: pa.Table) -> tuple[pa.Table, int]:
        """The table without these people, and how many rows that took."""
        mask = rows_by_person(table, self._people)
        kept = table.filter(pc.invert(mask))
        return kept, table.num_rows - kept.num_rows

    def _parquet(self, path: Path) -> int:
        table = pq.read_table(path, partitioning=None)
        kept, taken = self.table(table)
        if taken:
            buffer = io.BytesIO()
            pq.write_table(kept, buffer, compression="zstd")
            write_atomic(path, buffer.getvalue())
        return taken

    @staticmethod
    def _in_place(path: Path, change: Callable[[bytes], tuple[bytes, int]]) -> int:
        data, taken = change(path.read_bytes())
        if taken:
            write_atomic(path, data)
        return taken

    def _csv(self, data: bytes) -> tuple[bytes, int]:
        """Whole rows go; a row that only a stranger's quotation marks hold together is still one row."""
        text = data.decode("utf-8", "surrogateescape")
        rows = list(csv.reader(io.StringIO(text, newline="")))
        kept = [row for number, row in enumerate(rows) if number == 0 or not self._is_in("\0".join(row))]
        if len(kept) == len(rows):
            return self._text(data)
        buffer = io.StringIO(newline="")
        csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(kept)
        return buffer.getvalue().encode("utf-8", "surrogateescape"), len(rows) - len(kept)

    def _is_in(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._patterns)

    def _text(self, data: bytes) -> tuple[bytes, int]:
        text, taken = data.decode("utf-8", "surrogateescape"), 0
        for pattern in self._patterns:
            text, number = pattern.subn(ERASED, text)
            taken += number
        return (text.encode("utf-8", "surrogateescape"), taken) if taken else (data, 0)

    def _gzip(self, data: bytes) -> tuple[bytes, int]:
        inner, taken = self._csv(gzip.decompress(data))
        return gzip.compress(inner, mtime=0), taken

    def _zip(self, data: bytes) -> tuple[bytes, int]:
        buffer, taken = io.BytesIO(), 0
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for info in old.infolist():
                content, number = self._csv(old.read(info))
                new.writestr(info, content)
                taken += number
        return buffer.getvalue(), taken


def hits(root: Path, words: tuple[str, ...], *, skip: tuple[Path, ...] = ()) -> Iterator[tuple[Path, str]]:
    """Files below `root` that still hold one of the words, and its SHA-256 prefix instead of the word.

    Every byte is searched as it stands; Parquet, gzip and zip are unpacked first.
    """
    if not words:
        return
    forms = cased(words)
    patterns = [
        re.compile("|".join(re.escape(form) for form in forms[start : start + _CHUNK]).encode(), re.IGNORECASE)
        for start in range(0, len(forms), _CHUNK)
    ]
    for path in sorted(root.rglob("*")):
        if not path.is_file() or any(parent in skip for parent in path.parents):
            continue
        for data in (path.read_bytes(), *_unpacked(path)):
            found = next((match for pattern in patterns if (match := pattern.search(data))), None)
            if found is not None:
                yield path, sha256_bytes(found[0])[:12]
                break


def _leaves(column: Any) -> Iterator[Any]:
    """The plain columns inside lists and records, such as the reasons of a score."""
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(pc.list_flatten(column))
    elif pa.types.is_struct(kind):
        for at in range(kind.num_fields):
            yield from _leaves(pc.struct_field(column, [at]))
    else:
        yield column


def _unpacked(path: Path) -> Iterator[bytes]:
    if path.suffix == ".parquet":
        table = pq.read_table(path, partitioning=None)
        for column in (leaf for whole in table.columns for leaf in _leaves(whole)):
            yield "\n".join(str(value) for value in column.unique().to_pylist()).encode("utf-8", "surrogateescape")
    elif path.suffix == ".gz":
        yield gzip.decompress(path.read_bytes())
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name)
