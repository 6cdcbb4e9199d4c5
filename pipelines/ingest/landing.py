"""Landing: exports as they came, content-addressed, as Parquet with the file's row numbers.

`<root>/<source>/<object>/<sha256>/` holds `data.parquet` (the file's own columns as text plus `_row_number`),
`rejects.parquet` (rows that are no rows) and `manifest.json`. The folder appears whole or not at all; a file that
landed before is not read again, only its further deliveries are noted in the manifest.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from contracts.errors import BadInputError, BusyError, PassingError
from contracts.files import fsync_path, sha256_file, write_atomic
from contracts.sources import Mode
from contracts.words import Crm
from pipelines.ingest.detect import FileShape, find_shape
from pipelines.ingest.discover import Delivery
from pipelines.ingest.reading import read_into

MANIFEST: Final = "manifest.json"
DATA: Final = "data.parquet"
REJECTS: Final = "rejects.parquet"
# What the content of a file became by erasures: the operator's own copy still has the old hash.
REWRITTEN: Final = "rewritten.json"
_LOCK_SECONDS: Final = 60.0
_OLD: Final = ".old"
DeliveryKey = tuple[str, str, datetime, str]  # source, object, time of export, file name


class DeliveryRecord(BaseModel):
    """One time that the content was delivered, and how its dates are to be read. Times are naive UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    exported_at: datetime
    mode: Mode
    file_name: str
    landed_at: datetime
    declared_dates: dict[str, str] = {}
    time_zone: str | None = None
    mapping: dict[str, dict[str, Any]] | None = None
    supersedes: str | None = None


class LandingManifest(BaseModel):
    """What a landing folder holds.

    `rows` are the rows in `data.parquet`, `structural_rejects` those in `rejects.parquet`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = 1
    source: str
    crm: Crm
    object: str
    sha256: str
    encoding: str
    delimiter: str
    compression: str
    columns: tuple[str, ...]
    rows: int
    structural_rejects: int
    deliveries: tuple[DeliveryRecord, ...]


@contextmanager
def landing_lock(root: Path) -> Iterator[None]:
    """Only one process lands at a time; another waits up to a minute.

    Raises:
        BusyError: the lock stays taken.
    """
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / ".lock", timeout=_LOCK_SECONDS):
            _mend(root)
            yield
    except Timeout as error:
        raise BusyError(
            "Another run is landing exports.", where=str(root), remedy="Wait for it to end, then run again."
        ) from error


def land(delivery: Delivery, *, root: Path, sha256: str, now: datetime, memory: str, threads: int) -> LandingManifest:
    """Land one file; when its content is there already, only the delivery is noted.

    Args:
        root: landing root.
        sha256: hash of the file's bytes.
        now: time of landing, naive UTC; written to the manifest only.
        memory: DuckDB memory limit.
        threads: DuckDB threads.

    Raises:
        BadInputError: the file cannot be read; nothing is left behind.
        PassingError: the disk is full; nothing is left behind.
    """
    folder = root / delivery.source / delivery.object / sha256
    record = _record(delivery, now)
    earlier: tuple[DeliveryRecord, ...] = ()
    if (folder / MANIFEST).exists():
        noted = _note_delivery(folder, record)
        if not needs_reading(noted, delivery):
            return noted
        earlier = noted.deliveries
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.parent / f".{sha256}.tmp"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        shape = find_shape(delivery.path, encoding=delivery.encoding)
        rows, rejects = read_into(delivery.path, shape, temporary, memory=memory, threads=threads)
        if sha256_file(delivery.path) != sha256:
            raise BadInputError(
                "The file changed while it was read.", where=str(delivery.path), remedy="Wait for the export to end."
            )
        manifest = _manifest(delivery, shape, sha256=sha256, rows=rows, rejects=rejects, record=record)
        if earlier:
            manifest = manifest.model_copy(update={"deliveries": earlier})
        _finish(temporary, folder, manifest)
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise _disk_error(error, delivery.path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def _record(delivery: Delivery, now: datetime) -> DeliveryRecord:
    return DeliveryRecord(
        exported_at=delivery.exported_at,
        mode=delivery.mode,
        file_name=delivery.path.name,
        landed_at=now,
        declared_dates=dict(delivery.declared_dates),
        time_zone=delivery.time_zone,
        mapping={name: dict(value) for name, value in delivery.mapping.items()} if delivery.mapping else None,
        supersedes=delivery.supersedes,
    )


def _manifest(
    delivery: Delivery, shape: FileShape, *, sha256: str, rows: int, rejects: int, record: DeliveryRecord
) -> LandingManifest:
    return LandingManifest(
        source=delivery.source,
        crm=delivery.crm,
        object=delivery.object,
        sha256=sha256,
        encoding=("utf-8-sig" if shape.has_bom and shape.is_utf8 else shape.encoding),
        delimiter="" if shape.is_parquet else shape.delimiter,
        compression=shape.compression,
        columns=shape.header,
        rows=rows,
        structural_rejects=rejects,
        deliveries=(record,),
    )


def _finish(temporary: Path, folder: Path, manifest: LandingManifest) -> None:
    for name in (DATA, REJECTS):
        if (temporary / name).exists():
            fsync_path(temporary / name)
    write_atomic(temporary / MANIFEST, manifest.model_dump_json(indent=1).encode())
    for stray in temporary.iterdir():
        if stray.name not in (DATA, REJECTS, MANIFEST):
            stray.unlink()
    if folder.exists():
        folder.rename(folder.parent / f".{folder.name}{_OLD}")
    temporary.replace(folder)
    fsync_path(folder.parent)
    shutil.rmtree(folder.parent / f".{folder.name}{_OLD}", ignore_errors=True)


def _mend(root: Path) -> None:
    """Put back landings that a killed run had moved aside to replace them."""
    for old in root.glob(f"*/*/.*{_OLD}"):
        folder = old.parent / old.name[1 : -len(_OLD)]
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(folder)


def needs_reading(manifest: LandingManifest, delivery: Delivery) -> bool:
    """Whether the file was landed in another encoding than the one that is declared now."""
    landed = manifest.encoding.removesuffix("-sig")
    return delivery.encoding is not None and landed not in ("parquet", delivery.encoding)


def _note_delivery(folder: Path, record: DeliveryRecord) -> LandingManifest:
    """Add or refresh a delivery; the manifest is rewritten only when something differs."""
    manifest = read_manifest(folder)
    same = [old for old in manifest.deliveries if _key(old) == _key(record)]
    if same:
        kept = record.model_copy(update={"landed_at": same[0].landed_at})
        if kept == same[0]:
            return manifest
        deliveries = tuple(kept if _key(old) == _key(record) else old for old in manifest.deliveries)
    else:
        deliveries = tuple(sorted((*manifest.deliveries, record), key=lambda item: (item.exported_at, item.file_name)))
    manifest = manifest.model_copy(update={"deliveries": deliveries})
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


def newest_wins(
    landed: list[tuple[Path, LandingManifest]], current: Mapping[DeliveryKey, str], *, now: datetime
) -> list[tuple[Path, LandingManifest]]:
    """Let the content that a file has now count as the latest, also when an earlier correction came in between.

    Args:
        landed: every landing of some sources.
        current: source, object, time of export and name of a delivered file -> its hash.
        now: naive UTC.
    """
    latest: dict[DeliveryKey, datetime] = {}
    for _, manifest in landed:
        for record in manifest.deliveries:
            key = (manifest.source, manifest.object, *_key(record))
            if current.get(key) != manifest.sha256:
                latest[key] = max(latest.get(key, record.landed_at), record.landed_at)
    return [(folder, _renewed(folder, manifest, current, latest, now)) for folder, manifest in landed]


def _renewed(
    folder: Path,
    manifest: LandingManifest,
    current: Mapping[DeliveryKey, str],
    latest: Mapping[DeliveryKey, datetime],
    now: datetime,
) -> LandingManifest:
    records = []
    for record in manifest.deliveries:
        key = (manifest.source, manifest.object, *_key(record))
        rival = latest.get(key) if current.get(key) == manifest.sha256 else None
        if rival is not None and rival >= record.landed_at:
            record = record.model_copy(update={"landed_at": max(now, rival + timedelta(microseconds=1))})
        records.append(record)
    if tuple(records) == manifest.deliveries:
        return manifest
    manifest = manifest.model_copy(update={"deliveries": tuple(records)})
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


def _key(record: DeliveryRecord) -> tuple[datetime, str]:
    return record.exported_at, record.file_name


def note_rewritten(folder: Path, before: str, after: str) -> None:
    """Remember what a hash became, also through several erasures."""
    known = _rewritten(folder)
    known = {old: (after if new == before else new) for old, new in known.items()} | {before: after}
    write_atomic(folder / REWRITTEN, json.dumps(known, indent=1, sort_keys=True).encode())


def landed_name(folder: Path, sha256: str) -> str:
    """Hash under which a file's content is landed: its own, or what an erasure made of it."""
    return _rewritten(folder).get(sha256, sha256)


def _rewritten(folder: Path) -> dict[str, str]:
    path = folder / REWRITTEN
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def read_manifest(folder: Path) -> LandingManifest:
    """Manifest of a landing folder.

    Raises:
        BadInputError: it is damaged.
    """
    path = folder / MANIFEST
    try:
        return LandingManifest.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise BadInputError(
            "The description of a landing is damaged.",
            where=str(path),
            remedy="Remove the folder; the next run lands the export again.",
        ) from error


def all_manifests(root: Path) -> list[tuple[Path, LandingManifest]]:
    """Every landing, ordered by source, object and hash."""
    return [(path.parent, read_manifest(path.parent)) for path in sorted(root.glob(f"[!.]*/[!.]*/[!.]*/{MANIFEST}"))]


def landing_id(manifest: LandingManifest, record: DeliveryRecord, *, is_first: bool) -> str:
    """Identity of one effective delivery: source, object and content, and the time of export when it came again."""
    text = f"{manifest.source}|{manifest.object}|{manifest.sha256}"
    if not is_first:
        text += f"|{record.exported_at.isoformat()}"
    return hashlib.sha256(text.encode()).hexdigest()


def _disk_error(error: Exception, path: Path) -> PassingError:
    text = str(error)
    is_full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text
    what = "The disk is full" if is_full else f"The file could not be landed: {text.splitlines()[0]}"
    return PassingError(
        what.rstrip(".") + ".",
        where=str(path),
        remedy="Free space below the state folder, then run again; nothing half-written is left.",
    )
