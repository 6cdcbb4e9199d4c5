"""The brake."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from recovery.control import is_paused, pause, paused_because, resume

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_pause_and_resume(tmp_path: Path) -> None:
    assert not is_paused(tmp_path)
    assert paused_because(tmp_path) is None
    assert resume(tmp_path) is False
    pause(tmp_path, reason="bounces", now=NOW)
    pause(tmp_path, reason="more bounces", now=NOW.replace(year=2027))
    assert paused_because(tmp_path) == "more bounces"
    assert "2026" in (tmp_path / "control" / "paused.json").read_text()
    assert resume(tmp_path) is True
    assert not is_paused(tmp_path)


def test_a_damaged_file_still_pauses(tmp_path: Path) -> None:
    pause(tmp_path, reason="x", now=NOW)
    for content in ("", "{", "[]"):
        (tmp_path / "control" / "paused.json").write_text(content)
        assert is_paused(tmp_path)
        assert paused_because(tmp_path) == "no reason given"
