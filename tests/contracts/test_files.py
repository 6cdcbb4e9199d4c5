"""A reader sees the old content or the new content."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.files import atomic_path, sha256_bytes, sha256_file, write_atomic


def test_a_failed_write_keeps_the_old_content_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_atomic(target, b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_hash_of_a_file_is_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    data = b"x" * (3 << 20)
    path.write_bytes(data)
    assert sha256_file(path) == sha256_bytes(data)
