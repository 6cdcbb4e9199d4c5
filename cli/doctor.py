"""Looks an installation over; every finding comes with its remedy."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import sqlalchemy as sa
from filelock import FileLock, Timeout

from cli.servers import port_is_free
from contracts.errors import RecoveryError
from contracts.settings import Settings
from pipelines.resources import PROJECT_ROOT

State = Literal["good", "warning", "bad"]

_LEAST_FREE_BYTES: Final = 2 << 30
_OWN_PREFIXES: Final = (
    "dagster",
    "mlflow",
    "dbt-",
    "duckdb",
    "pandas",
    "scikit-learn",
    "evidently",
    "sqlalchemy",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` is empty when all is well."""

    subject: str
    state: State
    told: str
    remedy: str = ""


def examine(settings: Settings, *, sources: Path | None) -> list[Finding]:
    """All findings about an installation whose paths are absolute.

    Args:
        settings: with absolute folders.
        sources: its `sources.yml`, or None when nothing is declared.
    """
    return [
        *_python(),
        *_versions(),
        *_folders(settings),
        *_disk(settings),
        *_ports(settings),
        *_sender(settings),
        *_sources(sources),
        *_locks(settings),
        *_leftovers(settings),
        *_audit(settings),
    ]


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding("Python", "good" if fits else "bad", version, "" if fits else "Use Python 3.11 or 3.12.")


def locked_versions(lock: Path) -> dict[str, str]:
    """Name to version of every package in a requirements file with hashes."""
    pins = {}
    for line in lock.read_text().splitlines():
        name, found, rest = line.partition("==")
        if found and not line.startswith(" "):
            pins[name.split("[")[0].strip().lower()] = rest.split(" ")[0].split(";")[0].strip()
    return pins


def _versions() -> Iterator[Finding]:
    lock = PROJECT_ROOT / "requirements.lock"
    if not lock.exists():
        yield Finding("Packages", "bad", "requirements.lock is missing", "Restore it from version control.")
        return
    wrong = []
    for name, pinned in locked_versions(lock).items():
        if not name.startswith(_OWN_PREFIXES):
            continue
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != pinned:
            wrong.append(f"{name} {installed}, locked {pinned}")
    if wrong:
        yield Finding("Packages", "bad", "; ".join(wrong), "Run `rm .venv/.installed && make setup`.")
    else:
        yield Finding("Packages", "good", "as locked")


def _folders(settings: Settings) -> Iterator[Finding]:
    for folder in (settings.var_dir, settings.landing_dir, settings.published_dir, settings.outbox_dir):
        probe = folder
        while not probe.exists() and probe != probe.parent:
            probe = probe.parent
        good = os.access(probe, os.W_OK)
        yield Finding(
            f"Folder {folder.name}/",
            "good" if good else "bad",
            str(folder),
            "" if good else "Give this user the right to write there, or set RECOVERY_VAR_DIR.",
        )


def _disk(settings: Settings) -> Iterator[Finding]:
    probe = settings.var_dir
    while not probe.exists():
        probe = probe.parent
    free = shutil.disk_usage(probe).free
    good = free >= _LEAST_FREE_BYTES
    remedy = "" if good else "Free at least 2 GB; `make clean` removes what can be rebuilt."
    yield Finding("Disk", "good" if good else "warning", f"{free / (1 << 30):.1f} GiB free", remedy)


def _ports(settings: Settings) -> Iterator[Finding]:
    for name, port in (("DAGSTER", settings.dagster_port), ("MLFLOW", settings.mlflow_port)):
        free = port_is_free(port)
        yield Finding(
            f"Port {port}",
            "good" if free else "warning",
            "free" if free else "in use (fine when `make dev` is running)",
            "" if free else f"Stop what uses it, or set RECOVERY_{name}_PORT.",
        )


def _sender(settings: Settings) -> Iterator[Finding]:
    fields = {
        "RECOVERY_SENDER_NAME": settings.sender_name,
        "RECOVERY_SENDER_POSTAL_ADDRESS": settings.sender_postal_address,
        "RECOVERY_SENDER_FROM_ADDRESS": settings.sender_from_address,
        "RECOVERY_UNSUBSCRIBE_URL": settings.unsubscribe_url,
    }
    missing = [name for name, value in fields.items() if not value]
    if missing:
        yield Finding(
            "Sender",
            "warning",
            f"not set: {', '.join(missing)}",
            "Run `recovery init`; nothing is planned until then.",
        )
    else:
        yield Finding("Sender", "good", str(settings.sender_name))


def _sources(sources: Path | None) -> Iterator[Finding]:
    if sources is None:
        yield Finding("Sources", "warning", "none declared", "Run `recovery init`, or `make demo`.")
        return
    from contracts.errors import RecoveryError
    from contracts.sources import load_sources

    try:
        found = load_sources(sources)
    except RecoveryError as error:
        yield Finding("Sources", "bad", error.what, error.remedy)
        return
    yield Finding("Sources", "good", ", ".join(source.name for source in found.sources))


def _locks(settings: Settings) -> Iterator[Finding]:
    path = settings.var_dir / "locks" / "run.lock"
    if not path.exists():
        yield Finding("Run lock", "good", "free")
        return
    try:
        with FileLock(path, timeout=0):
            yield Finding("Run lock", "good", "free")
    except Timeout:
        yield Finding("Run lock", "warning", "a run is going on", "Wait for it to end; a dead run frees it by itself.")


def _leftovers(settings: Settings) -> Iterator[Finding]:
    parts = []
    for folder in (settings.landing_dir, settings.published_dir, settings.outbox_dir):
        if folder.exists():
            parts += [path for path in folder.rglob(".*.tmp") if path.exists()]
    if parts:
        yield Finding(
            "Half-written files",
            "warning",
            f"{len(parts)}, e.g. {parts[0].name}",
            "They are never read; delete them when no run is going on.",
        )
    else:
        yield Finding("Half-written files", "good", "none")


def _audit(settings: Settings) -> Iterator[Finding]:
    from recovery.ledger.audit import verify_chain
    from recovery.ledger.engine import make_engine, reading

    url = settings.ledger_sqlalchemy_url
    if url.startswith("sqlite") and not Path(str(sa.make_url(url).database)).exists():
        yield Finding("Audit of the ledger", "good", "no ledger yet")
        return
    try:
        with reading(make_engine(url)) as connection:
            if not sa.inspect(connection).has_table("audit"):
                yield Finding("Audit of the ledger", "good", "no ledger yet")
                return
            found = verify_chain(connection)
    except RecoveryError as error:
        yield Finding("Audit of the ledger", "bad", error.what, error.remedy)
        return
    if found.is_whole:
        yield Finding("Audit of the ledger", "good", f"{found.rows:,} entries, each follows from the one before")
        return
    where = "at its end" if found.broken_at is None else f"at entry {found.broken_at:,}"
    yield Finding(
        "Audit of the ledger",
        "bad",
        f"does not follow {where}: something was changed, dropped or swapped",
        "Pause delivery (`recovery pause`), keep this file, and compare with the last backup.",
    )
