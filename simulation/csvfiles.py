"""Writing exports piece by piece: CSV with the dirt of real files - marks, encodings, broken and doubled rows."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from simulation.draws import uniform
from simulation.settings import WorldSettings

_BAD_TIMES: Final = ("31.02.2025 25:61", "not a date", "0000-00-00", "yesterday", "")
KEY: Final = "_key"


@dataclass(frozen=True)
class FileSpec:
    """One file of an export; `time_column` is the required timestamp that broken rows spoil."""

    source: str
    name: str
    object: str
    time_column: str
    incremental: bool = False
    encoding: str = "utf-8"
    date_format: str | None = None
    text_columns: tuple[str, ...] = ()


class CsvFile:
    """An open CSV file that grows chunk by chunk; counts its rows."""

    def __init__(self, folder: Path, spec: FileSpec, world: WorldSettings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.spec = spec
        self.world = world
        self.path = folder / spec.name
        self.rows = 0
        self._handle: BinaryIO = self.path.open("wb")
        self._started = False

    def write(self, table: pa.Table) -> None:
        """Append rows; column `_key` (64 random bits a row) decides on dirt and is not written."""
        keys = table.column(KEY).to_numpy()
        body = table.drop_columns([KEY])
        if not self._started:
            self._start(body)
        clean = self._disordered(body, keys)
        self._put(clean)
        broken = self._broken(body, keys)
        if broken is not None:
            self._put(broken)
        strays = self._stray(body, keys)
        self._handle.write(strays)
        self.rows += clean.num_rows + (broken.num_rows if broken is not None else 0) + strays.count(b"\n")

    def close(self) -> int:
        """Finish the file; returns its number of data rows."""
        self._handle.close()
        return self.rows

    def _start(self, table: pa.Table) -> None:
        if self.spec.encoding == "utf-8-sig":
            self._handle.write(b"\xef\xbb\xbf")
        self._handle.write(self._bytes(table.slice(0, 0), header=True))
        self._started = True

    def _bytes(self, table: pa.Table, *, header: bool = False) -> bytes:
        sink = io.BytesIO()
        pacsv.write_csv(table, sink, pacsv.WriteOptions(include_header=header, quoting_style="needed"))
        data = sink.getvalue()
        if self.spec.encoding == "latin-1":
            return data.decode("utf-8").encode("latin-1", errors="replace")
        return data

    def _put(self, table: pa.Table) -> None:
        if table.num_rows:
            self._handle.write(self._bytes(table))

    def _chance(self, keys: np.ndarray, stream: int) -> np.ndarray:
        return uniform(self.world.seed, stream, keys)

    def _disordered(self, table: pa.Table, keys: np.ndarray) -> pa.Table:
        """Some rows twice and some out of order, in files of activities."""
        if not self.spec.incremental or not len(keys):
            return table
        place = np.arange(len(keys), dtype=np.float64)
        twice = np.flatnonzero(self._chance(keys, 401) < self.world.duplicate_rows)
        index = np.concatenate([place, place[twice] + 0.5]).astype(np.int64)
        order = np.concatenate([place, place[twice] + 0.5])
        moved = self._chance(keys, 402) < 0.02
        order[: len(place)][moved] += 40 * self._chance(keys, 403)[moved]
        return table.take(pa.array(index[np.argsort(order, kind="stable")]))

    def _broken(self, table: pa.Table, keys: np.ndarray) -> pa.Table | None:
        """Copies of rows whose required timestamp cannot be read, or whose first column is blank."""
        chosen = np.flatnonzero(self._chance(keys, 404) < self.world.bad_rows)
        if not len(chosen):
            return None
        copy = table.take(pa.array(chosen))
        number = (keys[chosen] % np.uint64(len(_BAD_TIMES) + 1)).astype(np.int64)
        index = copy.column_names.index(self.spec.time_column)
        times = copy.column(index).to_pylist()
        spoiled = [_BAD_TIMES[k] if k < len(_BAD_TIMES) else t for k, t in zip(number, times, strict=True)]
        copy = copy.set_column(index, self.spec.time_column, pa.array(spoiled, pa.string()))
        names = copy.column(0).to_pylist()
        blank = [None if k == len(_BAD_TIMES) else v for k, v in zip(number, names, strict=True)]
        return copy.set_column(0, copy.column_names[0], pa.array(blank, pa.string()))

    def _stray(self, table: pa.Table, keys: np.ndarray) -> bytes:
        """Lines with delimiters too many."""
        chosen = np.flatnonzero(self._chance(keys, 405) < self.world.stray_rows)
        if not len(chosen):
            return b""
        copy = table.take(pa.array(chosen))
        for name in self.spec.text_columns:
            if name in copy.column_names:
                index = copy.column_names.index(name)
                copy = copy.set_column(index, name, pa.nulls(copy.num_rows, pa.string()))
        return b"".join(line + b",stray,,\n" for line in self._bytes(copy).split(b"\n") if line)
