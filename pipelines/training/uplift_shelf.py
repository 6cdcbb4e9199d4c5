"""Uplift models on the disk: JSON that is sealed with the installation's key, so that nothing changed is ever read."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from contracts.files import write_atomic
from contracts.keys import Key

_log = logging.getLogger("recovery.training")


@dataclass(frozen=True)
class UpliftShelf:
    """Models below `var/models/uplift`, found by name and by day.

    A file that is not sealed with this key, or was changed since, counts as absent: its model is learned again from
    the same rows, and the log says so.

    Attributes:
        root: folder.
        key: seals the files.
    """

    root: Path
    key: Key

    def read(self, name: str) -> dict[str, Any] | None:
        """What was learned under a name."""
        return self._opened(self._path(name))

    def save(self, found: dict[str, Any]) -> None:
        """Keep what was learned, under its own name."""
        self._seal(self._path(found["name"]), found)

    def of_day(self, as_of: date) -> dict[str, Any] | None:
        """What a day used."""
        day = self._opened(self._day(as_of))
        return None if day is None else self.read(day["name"])

    def recent(self, as_of: date, *, days: int) -> dict[str, Any] | None:
        """What the newest earlier day used, if it was learned less than so many days ago."""
        days_kept = (_day_of(path) for path in (self.root / "by_day").glob("*.json"))
        earlier = [day for day in days_kept if day is not None and day < as_of]
        found = self.of_day(max(earlier)) if earlier else None
        if found is None:
            return None
        age = (as_of - date.fromisoformat(found["learned_as_of"])).days
        return found if 0 <= age < days else None

    def save_day(self, as_of: date, name: str) -> None:
        """Remember what a day uses."""
        self._seal(self._day(as_of), {"name": name})

    def _path(self, name: str) -> Path:
        return self.root / "by_fingerprint" / f"{name[:32]}.json"

    def _day(self, as_of: date) -> Path:
        return self.root / "by_day" / f"{as_of.isoformat()}.json"

    def _seal(self, path: Path, content: dict[str, Any]) -> None:
        text = json.dumps(content, sort_keys=True)
        write_atomic(path, json.dumps({"seal": self._seal_of(path, text), "content": text}).encode() + b"\n")

    def _opened(self, path: Path) -> dict[str, Any] | None:
        if not path.exists():
            return None
        try:
            sealed = json.loads(path.read_bytes())
            seal, text = str(sealed["seal"]).encode(), str(sealed["content"])
            is_ours = hmac.compare_digest(seal, self._seal_of(path, text).encode())
        except (ValueError, KeyError, TypeError, RecursionError):
            is_ours, text = False, ""
        if not is_ours:
            _log.warning("%s was changed, or not written here: it is not read, and learned again", path.name)
            return None
        content: dict[str, Any] = json.loads(text)
        return content

    def _seal_of(self, path: Path, text: str) -> str:
        message = b"uplift\0" + f"{path.parent.name}/{path.name}".encode() + b"\0" + text.encode()
        return hmac.new(self.key.secret, message, hashlib.sha256).hexdigest()


def _day_of(path: Path) -> date | None:
    """Day of a file's name; None for a file that somebody else put there."""
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return None
