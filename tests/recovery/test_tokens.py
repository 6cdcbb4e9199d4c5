"""Unsubscribe tokens: bound to touch and list, made with a key that is generated once."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import PermanentError
from recovery.tokens import TokenKey, key_of, load_key

KEY, OTHER = key_of(b"a" * 32), key_of(b"b" * 32)
TOUCH = "1f0e5a3c-9c1d-5d7e-8a54-0a6b1c2d3e4f"


def test_a_token_names_its_touch_and_nothing_else_does() -> None:
    token = KEY.token(TOUCH, list_id="main")
    assert KEY.touch_of(token, list_id="main") == TOUCH
    assert KEY.touch_of(token, list_id="another") is None
    assert OTHER.touch_of(token, list_id="main") is None
    assert KEY.token(TOUCH, list_id="main") == token != OTHER.token(TOUCH, list_id="main")


@given(st.integers(0, 200), st.characters(exclude_categories=["Cs"]))
def test_a_changed_token_is_nobodys(position: int, sign: str) -> None:
    token = KEY.token(TOUCH, list_id="main")
    position %= len(token)
    changed = token[:position] + sign + token[position + 1 :]
    assert changed == token or KEY.touch_of(changed, list_id="main") is None


@given(st.text())
def test_a_guess_is_nobodys(guess: str) -> None:
    assert KEY.touch_of(guess, list_id="main") is None


def test_the_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "secrets"
    found: list[TokenKey] = []
    threads = [threading.Thread(target=lambda: found.append(load_key(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({key.secret for key in found}) == 1
    path = folder / "unsubscribe.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [entry.name for entry in folder.iterdir()] == ["unsubscribe.key"]
    assert load_key(tmp_path / "elsewhere").secret != found[0].secret
    assert found[0].secret.hex() not in repr(found[0])


def test_a_broken_key_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "unsubscribe.key").write_text("zz")
    with pytest.raises(PermanentError, match="unsubscribe"):
        load_key(tmp_path)
    assert (tmp_path / "unsubscribe.key").read_text() == "zz"
