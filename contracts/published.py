"""Published datasets: Parquet per dataset and as-of date, a manifest, and a pointer that is swapped atomically.

Layout: `<root>/<dataset>/<as_of>/<sha256>.parquet`, `<root>/<dataset>/<as_of>/manifest.json` (the pointer of that
date) and `<root>/<dataset>/latest.json` (the newest date). Files are content-addressed and never overwritten.
"""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from contracts.errors import BadInputError
from contracts.files import atomic_path, sha256_file, write_atomic

SCHEMA_VERSION = 1


class PublishedManifest(BaseModel):
    """Describes one published partition; `path` is relative to the manifest's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    dataset: str
    as_of_date: date
    path: str
    sha256: str
    rows: int
    columns: tuple[str, ...]
    facts: dict[str, Any] = {}


def publish(
    root: Path, *, dataset: str, as_of: date, table: pa.Table, facts: dict[str, Any] | None = None
) -> PublishedManifest:
    """Write one partition and swap its pointer; the same table gives the same bytes and the same name.

    Args:
        root: folder of all published datasets.
        dataset: name of the dataset, used as a folder.
        as_of: date of the partition.
        table: rows in their final total order.
        facts: JSON-ready facts stored in the manifest.
    """
    staging = _staging(root, dataset, as_of)
    with atomic_path(staging) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=131_072, store_schema=True)
    return _adopt(root, staging, dataset, as_of, table.num_rows, table.column_names, facts)


def publish_stream(
    root: Path,
    *,
    dataset: str,
    as_of: date,
    batches: pa.RecordBatchReader,
    rows_per_group: int = 8_192,
) -> PublishedManifest:
    """The same for rows that come in batches; memory is bounded by a batch.

    Args:
        root, dataset, as_of: as for `publish`.
        batches: rows in their final total order, cut alike on every rerun.
        rows_per_group: rows that a look-up by the leading column has to read.
    """
    staging, rows = _staging(root, dataset, as_of), 0
    with (
        atomic_path(staging) as temporary,
        pq.ParquetWriter(temporary, batches.schema, compression="zstd", store_schema=True) as writer,
    ):
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=rows_per_group)
            rows += batch.num_rows
    return _adopt(root, staging, dataset, as_of, rows, batches.schema.names, None)


def forget_older(root: Path, *, dataset: str, keep: int, beside: date) -> None:
    """Remove all but the newest dates, and one beside them, of a dataset that is read at its newest date only."""
    for day in published_dates(root, dataset)[:-keep]:
        if day != beside:
            shutil.rmtree(root / dataset / day.isoformat())


def _staging(root: Path, dataset: str, as_of: date) -> Path:
    folder = root / dataset / as_of.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "staging.parquet"


def _adopt(
    root: Path, staging: Path, dataset: str, as_of: date, rows: int, columns: list[str], facts: dict[str, Any] | None
) -> PublishedManifest:
    """Name a written file by its content and swap the pointers to it."""
    digest = sha256_file(staging)
    staging.replace(staging.with_name(f"{digest}.parquet"))
    manifest = PublishedManifest(
        dataset=dataset,
        as_of_date=as_of,
        path=f"{digest}.parquet",
        sha256=digest,
        rows=rows,
        columns=tuple(columns),
        facts=facts or {},
    )
    payload = manifest.model_dump_json(indent=2).encode() + b"\n"
    write_atomic(staging.with_name("manifest.json"), payload)
    newest = latest_date(root, dataset)
    if newest is None or as_of >= newest:
        write_atomic(root / dataset / "latest.json", json.dumps({"as_of_date": as_of.isoformat()}).encode() + b"\n")
    return manifest


def latest_date(root: Path, dataset: str) -> date | None:
    """Newest published as-of date of a dataset, or None."""
    pointer = root / dataset / "latest.json"
    if not pointer.exists():
        return None
    return date.fromisoformat(json.loads(pointer.read_text())["as_of_date"])


def published_dates(root: Path, dataset: str) -> tuple[date, ...]:
    """All published as-of dates of a dataset, ascending."""
    folder = root / dataset
    if not folder.exists():
        return ()
    return tuple(sorted(date.fromisoformat(p.parent.name) for p in folder.glob("*/manifest.json")))


def read_manifest(root: Path, *, dataset: str, as_of: date) -> PublishedManifest | None:
    """Manifest of one partition, or None when it was never published."""
    path = root / dataset / as_of.isoformat() / "manifest.json"
    if not path.exists():
        return None
    return PublishedManifest.model_validate_json(path.read_bytes())


def published_path(root: Path, *, dataset: str, as_of: date) -> Path:
    """Parquet file of one partition.

    Raises:
        BadInputError: the partition does not exist.
    """
    manifest = read_manifest(root, dataset=dataset, as_of=as_of)
    if manifest is None:
        raise BadInputError(
            f"{dataset} has no published partition {as_of}.",
            where=str(root / dataset),
            remedy=f"Run `recovery run --as-of {as_of}` first.",
        )
    return root / dataset / as_of.isoformat() / manifest.path


def read_published(root: Path, *, dataset: str, as_of: date, columns: list[str] | None = None) -> pa.Table:
    """Rows of one partition, in published order."""
    path = published_path(root, dataset=dataset, as_of=as_of)
    # partitioning=None: the date in the folder's name must not become a column.
    return pq.read_table(path, columns=columns, partitioning=None)


def arrow(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | dict[str, Any] | None = None
) -> pa.Table:
    """Result of a query as one Arrow table."""
    return connection.execute(sql, parameters or []).to_arrow_table()
