"""Ingest of some sources: find, land, load. Takes paths, values and the clock; knows nothing of Dagster."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from contracts.errors import BadInputError
from contracts.files import sha256_file, write_atomic
from contracts.settings import Settings
from contracts.sources import SourcesFile, load_sources
from contracts.words import Crm
from pipelines.ingest import expectations
from pipelines.ingest.discover import Delivery, FileProblem, find_deliveries
from pipelines.ingest.effective import OPERATOR, effective_landings
from pipelines.ingest.landing import (
    DeliveryKey,
    LandingManifest,
    land,
    landed_name,
    landing_lock,
    newest_wins,
    read_manifest,
)
from pipelines.ingest.load import load

if TYPE_CHECKING:
    from pipelines.resources import Engine

_SEEN: Final = ".seen.json"
OpenWarehouse = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


@dataclass(frozen=True)
class IngestOptions:
    """Where landings live and what the work may use.

    Args:
        landing_dir: root of landed exports.
        max_reject_share: a file with a larger share of rejected rows is refused.
        memory: DuckDB memory limit.
        threads: DuckDB threads.
        sample_rows: most accepted rows that the contract looks at.
    """

    landing_dir: Path
    max_reject_share: float = 0.2
    memory: str = "6GB"
    threads: int = 2
    sample_rows: int = expectations.MAX_SAMPLE


@dataclass
class IngestReport:
    """What happened: files found, landed now, loaded now, removed, refused, and files of no object."""

    files: int = 0
    landed: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)


def ingest(
    open_warehouse: OpenWarehouse, sources: SourcesFile, crm: Crm, *, options: IngestOptions, now: datetime
) -> IngestReport:
    """Bring the raw tables of one CRM up to what its sources deliver. Running it again changes nothing.

    A file that cannot be used becomes a problem of the report, the others load. The table `raw.problems` holds the
    problems of the last run.

    Args:
        open_warehouse: opens the warehouse for a block of work.
        sources: declaration of all sources.
        crm: which sources to ingest.
        options: places and limits.
        now: time of landing, UTC; it decides nothing but which of two corrections came later.

    Raises:
        PassingError: the disk is full or another run is landing.
    """
    report = IngestReport()
    with landing_lock(options.landing_dir):
        found = find_deliveries(sources, [crm])
        report.problems += found.problems
        report.unmatched += found.unmatched
        report.files = len(found.deliveries)
        current = _land_all(found.deliveries, report, options=options, now=now)
        landed = newest_wins(_landings_of(options.landing_dir, sources, crm, report), current, now=_naive(now))
    wanted = effective_landings(landed, sources.sources, crm)
    check = functools.partial(
        expectations.validate, max_reject_share=options.max_reject_share, sample_rows=options.sample_rows
    )
    with open_warehouse() as connection:
        connection.execute("set preserve_insertion_order = true")
        done = load(connection, crm, wanted, max_reject_share=options.max_reject_share, validate=check)
        report.loaded += done.loaded
        report.removed += done.removed
        report.problems += done.problems
        _note_problems(connection, crm, report.problems)
    return report


def options_of(settings: Settings) -> IngestOptions:
    """Options that an installation's settings mean."""
    return IngestOptions(
        landing_dir=settings.landing_dir,
        max_reject_share=settings.max_reject_share,
        memory=settings.duckdb_memory,
        threads=settings.duckdb_threads,
    )


def declared_sources(settings: Settings) -> SourcesFile:
    """`sources.yml` of an installation; `${RECOVERY_EXAMPLE_DATA}` in a path is the folder of public tables.

    Raises:
        BadInputError: the file is missing or wrong.
    """
    return load_sources(settings.sources_file, variables={"RECOVERY_EXAMPLE_DATA": str(settings.example_data)})


def ingest_all(engine: Engine) -> dict[Crm, IngestReport]:
    """Ingest the sources of every CRM of an installation.

    Raises:
        BadInputError: `sources.yml` is missing or wrong.
    """
    settings = engine.settings
    sources = declared_sources(settings)
    return {
        crm: ingest(engine.warehouse.open, sources, crm, options=options_of(settings), now=engine.now()) for crm in Crm
    }


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _land_all(
    deliveries: list[Delivery], report: IngestReport, *, options: IngestOptions, now: datetime
) -> dict[DeliveryKey, str]:
    """Land what is new; returns the hash of every file that is delivered now under a name that no other one has."""
    current: dict[DeliveryKey, list[str]] = {}
    seen_path = options.landing_dir / _SEEN
    seen = _Seen(seen_path)
    moment = _naive(now)
    for delivery in deliveries:
        try:
            sha256 = landed_name(options.landing_dir / delivery.source / delivery.object, seen.sha256(delivery.path))
            folder = options.landing_dir / delivery.source / delivery.object / sha256
            is_new = not folder.exists()
            land(
                delivery,
                root=options.landing_dir,
                sha256=sha256,
                now=moment,
                memory=options.memory,
                threads=options.threads,
            )
            key = (delivery.source, delivery.object, delivery.exported_at, delivery.path.name)
            current.setdefault(key, []).append(sha256)
            if is_new:
                report.landed.append(str(delivery.path))
        except BadInputError as error:
            report.problems.append(FileProblem.of(delivery.source, delivery.object, error))
    seen.save()
    return {key: hashes[0] for key, hashes in current.items() if len(set(hashes)) == 1}


def _landings_of(
    root: Path, sources: SourcesFile, crm: Crm, report: IngestReport
) -> list[tuple[Path, LandingManifest]]:
    names = sorted({source.name for source in sources.sources if source.crm is crm} | {OPERATOR})
    landed = []
    for name in names:
        for path in sorted((root / name).glob("[!.]*/[!.]*/manifest.json")):
            try:
                landed.append((path.parent, read_manifest(path.parent)))
            except BadInputError as error:
                report.problems.append(FileProblem.of(name, path.parent.parent.name, error))
    return landed


def _note_problems(connection: duckdb.DuckDBPyConnection, crm: Crm, problems: list[FileProblem]) -> None:
    rows = sorted({(p.source, crm.value, p.object, p.what, p.where, p.remedy) for p in problems})
    columns = "source, crm, object, what, place, remedy"
    present = connection.execute(
        f"select {columns} from raw.problems where crm = ? order by all", [crm.value]
    ).fetchall()
    if present == rows:
        return
    connection.execute("begin")
    connection.execute("delete from raw.problems where crm = ?", [crm.value])
    if rows:
        connection.executemany(f"insert into raw.problems ({columns}) values (?, ?, ?, ?, ?, ?)", rows)
    connection.execute("commit")


class _Seen:
    """Hashes of files by path, size and time of change, so that an unchanged file is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._known: dict[str, list[object]] = content if isinstance(content, dict) else {}
        except (OSError, ValueError):
            self._known = {}
        self._is_changed = False

    def sha256(self, path: Path) -> str:
        """Hash of a file.

        Raises:
            BadInputError: it cannot be read.
        """
        try:
            state = path.stat()
            facts: list[object] = [state.st_size, state.st_mtime_ns, state.st_ino]
            known = self._known.get(str(path))
            if known is not None and known[:3] == facts:
                return str(known[3])
            digest = sha256_file(path)
        except FileNotFoundError as error:
            raise BadInputError("The file does not exist.", where=str(path), remedy="Export it again.") from error
        except OSError as error:
            raise BadInputError(
                f"The file cannot be read: {error.strerror or error}.",
                where=str(path),
                remedy="Give this user the right to read it.",
            ) from error
        self._known[str(path)] = [*facts, digest]
        self._is_changed = True
        return digest

    def save(self) -> None:
        """Write what was learned, when there is any."""
        if self._is_changed:
            write_atomic(self._path, json.dumps(self._known, sort_keys=True).encode())
