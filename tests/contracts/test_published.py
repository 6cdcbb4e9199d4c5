"""Published datasets are content-addressed, reproducible and never half-written."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from contracts import published
from contracts.errors import BadInputError

DAY = date(2026, 6, 1)


def _table(rows: int = 3) -> pa.Table:
    return pa.table({"as_of_date": [DAY] * rows, "person_id": [f"p{n}" for n in range(rows)], "p": [0.1] * rows})


def test_what_is_published_is_read_back(tmp_path: Path) -> None:
    manifest = published.publish(tmp_path, dataset="scores", as_of=DAY, table=_table(), facts={"dormant": 3})
    assert published.read_published(tmp_path, dataset="scores", as_of=DAY).equals(_table())
    assert published.read_manifest(tmp_path, dataset="scores", as_of=DAY) == manifest
    assert manifest.facts == {"dormant": 3}
    assert manifest.rows == 3


def test_the_same_rows_give_the_same_bytes_and_one_file(tmp_path: Path) -> None:
    first = published.publish(tmp_path, dataset="scores", as_of=DAY, table=_table())
    second = published.publish(tmp_path, dataset="scores", as_of=DAY, table=_table())
    assert first == second
    assert len(list((tmp_path / "scores" / DAY.isoformat()).glob("*.parquet"))) == 1


def test_an_older_day_does_not_move_the_newest_pointer(tmp_path: Path) -> None:
    published.publish(tmp_path, dataset="scores", as_of=DAY, table=_table())
    published.publish(tmp_path, dataset="scores", as_of=date(2026, 5, 1), table=_table())
    assert published.latest_date(tmp_path, "scores") == DAY
    assert published.published_dates(tmp_path, "scores") == (date(2026, 5, 1), DAY)


def test_a_crash_before_the_pointer_leaves_the_old_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published.publish(tmp_path, dataset="scores", as_of=DAY, table=_table(3))

    def die(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(published, "write_atomic", die)
    with pytest.raises(OSError, match="No space"):
        published.publish(tmp_path, dataset="scores", as_of=DAY, table=_table(5))
    assert published.read_published(tmp_path, dataset="scores", as_of=DAY).num_rows == 3


def test_a_missing_partition_says_how_to_make_it(tmp_path: Path) -> None:
    assert published.read_manifest(tmp_path, dataset="scores", as_of=DAY) is None
    assert published.latest_date(tmp_path, "scores") is None
    with pytest.raises(BadInputError, match="recovery run --as-of 2026-06-01"):
        published.read_published(tmp_path, dataset="scores", as_of=DAY)
