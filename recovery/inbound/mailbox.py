"""Messages out of what mail systems leave behind: one file, an mbox, a maildir, a folder of `.eml` files."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contracts.errors import BadInputError

# Attachments behind this are of no interest; headers and words stand before them.
_LARGEST: Final = 1024 * 1024


def read_messages(path: Path) -> Iterator[bytes]:
    """Raw messages, each cut after 1 MiB; the files are left as they are.

    Raises:
        BadInputError: nothing is there, or it is none of these.
    """
    if not path.exists():
        raise BadInputError("There is no such file.", where=str(path), remedy="Name an .eml, mbox or maildir.")
    if path.is_dir():
        yield from _folder(path)
        return
    with path.open("rb") as handle:
        start = handle.read(5)
    if start == b"From ":
        yield from _mbox(path)
        return
    with path.open("rb") as handle:
        yield handle.read(_LARGEST)


def _folder(path: Path) -> Iterator[bytes]:
    is_maildir = (path / "new").is_dir() or (path / "cur").is_dir()
    folders = [path / "new", path / "cur"] if is_maildir else [path]
    for folder in folders:
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir()):
            if entry.is_file() and (is_maildir or entry.suffix == ".eml"):
                with entry.open("rb") as handle:
                    yield handle.read(_LARGEST)


def _mbox(path: Path) -> Iterator[bytes]:
    box = mailbox.mbox(path, create=False)
    try:
        for key in box.iterkeys():
            with box.get_file(key) as handle:
                yield handle.read(_LARGEST)
    finally:
        box.close()
