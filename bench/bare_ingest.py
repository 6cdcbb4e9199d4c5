"""The baseline's ingest: reads the CSV files, normalises and types them into raw tables, and nothing else.

The same reader and the same normalisation as the platform, without content hashes, durable landing, locks, contracts of
the door and memory of earlier runs.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from contracts.sources import load_sources
from contracts.words import Crm
from pipelines.ingest import books
from pipelines.ingest.detect import find_shape
from pipelines.ingest.discover import Delivery, find_deliveries
from pipelines.ingest.effective import effective_landings
from pipelines.ingest.landing import DeliveryRecord, LandingManifest
from pipelines.ingest.load import load
from pipelines.ingest.reading import read_into


def ingest(
    connection: duckdb.DuckDBPyConnection,
    sources_file: Path,
    scratch: Path,
    *,
    memory: str,
    threads: int,
    sender_id: str = "main",
) -> int:
    """Fill the raw tables of an empty warehouse; returns the rows read."""
    sources = load_sources(sources_file)
    connection.execute("set preserve_insertion_order = true")
    rows = 0
    for crm in Crm:
        landed = [
            _read(delivery, scratch / f"{crm.value}-{number}", number, memory=memory, threads=threads)
            for number, delivery in enumerate(find_deliveries(sources, [crm]).deliveries)
        ]
        rows += sum(manifest.rows + manifest.structural_rejects for _, manifest in landed)
        load(
            connection,
            crm,
            effective_landings(landed, sources.sources, crm),
            max_reject_share=1.0,
            validate=lambda *_: [],
        )
    # What the SQL needs to know of the sources; the findings and coverage around it are the platform's.
    books._write_sources(connection, sources.sources, sender_id)
    books._write_column_types(connection, sources.sources)
    return rows


def _read(delivery: Delivery, folder: Path, number: int, *, memory: str, threads: int) -> tuple[Path, LandingManifest]:
    folder.mkdir(parents=True)
    shape = find_shape(delivery.path, encoding=delivery.encoding)
    rows, rejects = read_into(delivery.path, shape, folder, memory=memory, threads=threads)
    record = DeliveryRecord(
        exported_at=delivery.exported_at,
        mode=delivery.mode,
        file_name=delivery.path.name,
        landed_at=delivery.exported_at,
        declared_dates=dict(delivery.declared_dates),
        time_zone=delivery.time_zone,
        mapping={name: dict(value) for name, value in delivery.mapping.items()} if delivery.mapping else None,
        supersedes=delivery.supersedes,
    )
    manifest = LandingManifest(
        source=delivery.source,
        crm=delivery.crm,
        object=delivery.object,
        sha256=f"{number:064x}",
        encoding=shape.encoding,
        delimiter="" if shape.is_parquet else shape.delimiter,
        compression=shape.compression,
        columns=shape.header,
        rows=rows,
        structural_rejects=rejects,
        deliveries=(record,),
    )
    return folder, manifest
