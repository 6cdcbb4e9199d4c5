"""Knows which days of the demo are done and unchanged, so that a second demo runs the newest day only."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Final

from cli.workspace import Workspace, world_dir
from contracts.files import write_atomic
from contracts.summary import RunSummary
from pipelines.resources import PROJECT_ROOT

_CODE: Final = ("contracts", "models", "pipelines", "recovery", "dbt")
_SUFFIXES: Final = frozenset({".py", ".sql", ".yml", ".j2", ".csv", ".tsv", ".css"})


def code_digest() -> str:
    """Hex SHA-256 over everything that decides what a day gives."""
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((PROJECT_ROOT / folder).rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                digest.update(str(path.relative_to(PROJECT_ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _state(workspace: Workspace, day: date) -> dict[str, str]:
    exports = world_dir(workspace.var_dir) / "exports" / day.isoformat()
    files = "".join(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns};" for path in sorted(exports.rglob("*")))
    settings = workspace.engine.settings.model_dump_json()
    return {
        "code": code_digest(),
        "exports": hashlib.sha256(files.encode()).hexdigest(),
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
    }


def _folder(workspace: Workspace, day: date) -> Path:
    return workspace.engine.settings.report_dir / day.isoformat()


def note_day(workspace: Workspace, day: date, *, ok: bool) -> None:
    """Keep the summary of a day beside its report, and what it was made from when it ended well."""
    folder, summary = _folder(workspace, day), workspace.var_dir / "summary.json"
    if not summary.exists():
        return
    write_atomic(folder / "summary.json", summary.read_bytes())
    if ok:
        write_atomic(folder / "made_from.json", json.dumps(_state(workspace, day)).encode())


def day_is_done(workspace: Workspace, day: date) -> bool:
    """Whether a day ended well with this code, these exports and these settings, and its files are all there."""
    folder = _folder(workspace, day)
    marker, kept = folder / "made_from.json", folder / "summary.json"
    if not marker.exists() or not kept.exists() or json.loads(marker.read_text()) != _state(workspace, day):
        return False
    summary = RunSummary.model_validate_json(kept.read_bytes())
    made = [summary.report, summary.scores.path, summary.batch.path]
    return all((PROJECT_ROOT / path).exists() for path in made if path)
