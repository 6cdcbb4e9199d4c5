"""The brake: while `control/paused.json` exists below the state folder, no plan names anybody."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from contracts.files import write_atomic


def _file(var_dir: Path) -> Path:
    return var_dir / "control" / "paused.json"


def pause(var_dir: Path, *, reason: str, now: datetime) -> None:
    """Stop all emission; a second call keeps the first moment and takes the new reason."""
    since = _read(var_dir).get("since", now.isoformat())
    write_atomic(_file(var_dir), json.dumps({"reason": reason, "since": since}, indent=2).encode() + b"\n")


def resume(var_dir: Path) -> bool:
    """Allow emission again; tells whether it was paused."""
    was = is_paused(var_dir)
    _file(var_dir).unlink(missing_ok=True)
    return was


def is_paused(var_dir: Path) -> bool:
    """Whether emission is stopped. An unreadable file counts as paused."""
    return _file(var_dir).exists()


def paused_because(var_dir: Path) -> str | None:
    """Reason given for the pause, or None when nothing is paused."""
    if not is_paused(var_dir):
        return None
    return _read(var_dir).get("reason") or "no reason given"


def _read(var_dir: Path) -> dict[str, str]:
    try:
        content = json.loads(_file(var_dir).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
