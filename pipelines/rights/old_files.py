"""Files that hold messages, by age: emitted batches by their day, delivered files by when they were written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from contracts.settings import Settings


def old_batches(settings: Settings, now: datetime) -> list[Path]:
    """Folders of the outbox whose day is past `retain_text_days`; what is no batch or score folder is left alone."""
    limit = (now - timedelta(days=settings.retain_text_days)).date()
    found = ((path.parent, _day(path)) for path in settings.outbox_dir.glob("[!.]*/manifest.json"))
    return sorted(folder for folder, day in found if day is not None and day < limit)


def old_deliveries(settings: Settings, now: datetime) -> list[Path]:
    """Files of the file sink that are older than `retain_text_days`.

    A touch of that age is past its expiry, so that nothing is delivered again for want of its file.
    """
    limit = (now - timedelta(days=settings.retain_text_days)).replace(tzinfo=UTC).timestamp()
    files = (path for path in settings.delivered_dir.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if path.stat().st_mtime < limit)


def remove(paths: Iterable[Path]) -> None:
    """Files and whole folders; what is gone already is no error."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _day(manifest: Path) -> date | None:
    try:
        return date.fromisoformat(json.loads(manifest.read_text(encoding="utf-8"))["as_of_date"])
    except (ValueError, KeyError, TypeError):
        return None
