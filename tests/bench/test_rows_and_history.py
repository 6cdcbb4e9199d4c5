from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bench.history import append, section
from bench.rows import Origin, make_row, origin, read_suite, write_suite
from bench.table import number, show
from contracts.errors import BadInputError

AT = Origin("2 cores", "abc123", "2026-11-21T10:00:00+00:00")


def test_a_row_holds_medians_and_judges_its_target() -> None:
    row = make_row(AT, "day", [9.0, 3.0, 5.0], "s", baseline=[2.0, 4.0, 99.0], target=5.0)
    assert (row.value, row.baseline, row.ratio, row.ok) == (5.0, 4.0, 1.25, True)
    assert make_row(AT, "day", [5.1], "s", target=5.0).ok is False
    assert make_row(AT, "day", [5.1], "s").ok is None


def test_a_ratio_can_be_the_target() -> None:
    row = make_row(AT, "day", [16.0], "s", baseline=[10.0], target_ratio=1.5)
    assert (row.ratio, row.target, row.ok) == (1.6, 1.5, False)
    assert make_row(AT, "day", [16.0], "s", target_ratio=1.5).ok is None


def test_a_row_needs_a_value_and_one_target() -> None:
    with pytest.raises(ValueError, match="needs a value"):
        make_row(AT, "day", [], "s")
    with pytest.raises(ValueError, match="at most one target"):
        make_row(AT, "day", [1.0], "s", target=1.0, target_ratio=1.0)


def test_suites_are_written_and_read_back(tmp_path: Path) -> None:
    rows = [make_row(AT, "day", [1.5], "s", target=2.0)]
    path = write_suite("daily", rows, folder=tmp_path)
    assert read_suite(path) == rows
    keys = {"name", "value", "unit", "baseline", "ratio", "target", "ok", "machine", "commit", "at"}
    assert set(json.loads(path.read_text())[0]) == keys
    path.write_text('[{"name": "x"}]')
    with pytest.raises(BadInputError, match="no rows of a suite"):
        read_suite(path)


def test_origin_names_machine_commit_and_time(tmp_path: Path) -> None:
    found = origin(now=datetime(2026, 11, 21, 10, 0, 0, 5, tzinfo=UTC), root=tmp_path)
    assert "cores" in found.machine
    assert found.commit == "unknown"
    assert found.at == "2026-11-21T10:00:00+00:00"


def test_history_keeps_what_was_written_and_adds_each_measurement_once(tmp_path: Path) -> None:
    history = tmp_path / "benchmarks.md"
    rows = [make_row(AT, "day | odd", [1234.5], "s", baseline=[1000.0], target=99.0)]
    assert append(history, [("daily", rows)]) == 1
    assert append(history, [("daily", rows)]) == 0
    later = Origin(AT.machine, "def456", "2026-11-22T10:00:00+00:00")
    assert append(history, [("daily", [make_row(later, "day", [1.0], "s")]), ("daily", rows)]) == 1
    text = history.read_text()
    assert text.startswith("# Benchmarks")
    assert text.index("def456") < text.index("abc123")
    assert "| day / odd | 1,234 | s | 1,000 | 1.23 | ≤ 99 | NO |" in text


def test_history_leaves_hand_written_words_alone(tmp_path: Path) -> None:
    history = tmp_path / "benchmarks.md"
    history.write_text("# Benchmarks\n\nWritten by hand.\n")
    append(history, [("daily", [make_row(AT, "day", [1.0], "s")])])
    assert history.read_text().startswith("# Benchmarks\n\nWritten by hand.\n")
    assert section("daily", [make_row(AT, "day", [1.0], "s")]) in history.read_text()


def test_the_table_shows_every_figure() -> None:
    sink = io.StringIO()
    rows = [make_row(AT, "day", [12.34], "s", baseline=[10.0], target_ratio=1.1), make_row(AT, "rows", [5.0], "")]
    show("daily", rows, console=Console(file=sink, width=120))
    text = sink.getvalue()
    assert "12.3" in text
    assert "1.23" in text
    assert "NO" in text
    assert "abc123" in text
    assert (number(None), number(0.01234), number(2_000_000.0), number(0)) == ("", "0.0123", "2,000,000", "0")
