"""What is kept of uplift is read as it was written, or not at all."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from contracts.keys import key_of
from pipelines.training.uplift_shelf import UpliftShelf

DAY = date(2026, 6, 1)
FOUND = {"name": "f" * 64, "learned_as_of": "2026-06-01", "channels": {"email": {"model": [0.25, 1]}}, "reason": ""}


@pytest.fixture
def shelf(tmp_path: Path) -> UpliftShelf:
    made = UpliftShelf(tmp_path, key_of(b"k" * 32))
    made.save(FOUND)
    made.save_day(DAY, FOUND["name"])
    return made


def test_a_day_and_those_after_it_find_what_was_learned(shelf: UpliftShelf) -> None:
    assert shelf.of_day(DAY) == shelf.read(FOUND["name"]) == FOUND
    assert shelf.recent(DAY + timedelta(days=6), days=7) == FOUND
    assert shelf.recent(DAY + timedelta(days=7), days=7) is None
    assert shelf.of_day(DAY + timedelta(days=1)) is None


def test_no_flipped_byte_is_ever_read(shelf: UpliftShelf) -> None:
    (path,) = (shelf.root / "by_fingerprint").iterdir()
    whole = path.read_bytes()
    draw = random.Random(5)
    for at in draw.sample(range(len(whole) - 1), 60):
        changed = bytearray(whole)
        changed[at] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(changed))
        assert shelf.read(FOUND["name"]) in (None, FOUND)  # a changed blank between names says the same
        if b'"content"' in changed and at > whole.index(b'"content": "') + 12:
            assert shelf.read(FOUND["name"]) is None
    odd = (b"[" * 100_000, b"\xff\xfe", b'{"seal": "a", "content": "\\ud800"}', b'{"seal": "\\ud800", "content": "a"}')
    for content in (b"", b"[]", b"{", whole[:-20], json.dumps(FOUND).encode(), *odd):
        path.write_bytes(content)
        assert shelf.read(FOUND["name"]) is None


def test_a_stray_file_among_the_days_is_no_day(shelf: UpliftShelf) -> None:
    (shelf.root / "by_day" / "2026-05-32.json").write_text("{}")
    (shelf.root / "by_day" / "copy of 2026.json").write_text("{}")
    assert shelf.recent(DAY + timedelta(days=1), days=7) == FOUND


def test_a_file_of_another_installation_or_under_another_name_is_not_read(shelf: UpliftShelf) -> None:
    (path,) = (shelf.root / "by_fingerprint").iterdir()
    assert UpliftShelf(shelf.root, key_of(b"x" * 32)).read(FOUND["name"]) is None
    path.rename(path.with_name("e" * 32 + ".json"))
    assert shelf.read("e" * 64) is None
