"""Touches as files in a folder: for systems that pick files up, for trials, and for tests."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from contracts.files import fsync_path
from contracts.words import Channel
from recovery.drafting.mail import compose
from recovery.drafting.render import DraftError
from recovery.sinks.protocol import OutgoingTouch, Receipt, ReceiptStatus, is_well_formed

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


class FileSink:
    """Writes `<folder>/<channel>/<touch_id>.eml` for e-mail and `.json` for other channels.

    A file appears whole or not at all, and a touch that is there already is left as it is: its name is the
    idempotency key. It is durable before its receipt is given.

    Args:
        folder: made when missing.
    """

    name: Final = "file"
    has_idempotency_key: Final = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_closed = False

    def send(self, touches: Sequence[OutgoingTouch]) -> list[Receipt]:
        """See `Sink.send`; each folder is flushed once a call."""
        if self._is_closed:
            return [Receipt(touch.touch_id, ReceiptStatus.PASSING, code="closed") for touch in touches]
        receipts = [self._write(touch) for touch in touches]
        written = {t.channel for t, r in zip(touches, receipts, strict=True) if r.status is ReceiptStatus.SENT}
        try:
            for channel in written:
                fsync_path(self._folder / channel.value)
        except OSError as error:
            # The files are there, yet a power cut could take them back.
            code = f"errno {error.errno}"
            return [
                replace(r, status=ReceiptStatus.UNKNOWN, code=code) if r.status is ReceiptStatus.SENT else r
                for r in receipts
            ]
        return receipts

    def look_up(self, touch_ids: Sequence[str]) -> Mapping[str, ReceiptStatus]:
        """Whether the file is there; nobody but the operator removes one."""
        return {
            touch_id: ReceiptStatus.SENT if self._exists(touch_id) else ReceiptStatus.PASSING for touch_id in touch_ids
        }

    def close(self) -> None:
        """Take no more touches."""
        self._is_closed = True

    def _exists(self, touch_id: str) -> bool:
        is_name = _NAME.fullmatch(touch_id) is not None
        return is_name and any(_path(self._folder, channel, touch_id).exists() for channel in Channel)

    def _write(self, touch: OutgoingTouch) -> Receipt:
        if not is_well_formed(touch):
            return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="malformed")
        path = _path(self._folder, touch.channel, touch.touch_id)
        if path.exists():
            return Receipt(touch.touch_id, ReceiptStatus.SENT, path.name, "already")
        try:
            data = _content(touch)
        except DraftError:
            return Receipt(touch.touch_id, ReceiptStatus.REFUSED, code="malformed")
        try:
            _settle(path, data)
        except OSError as error:
            # The name was not given, so nobody sees the touch.
            return Receipt(touch.touch_id, ReceiptStatus.PASSING, code=f"errno {error.errno}")
        return Receipt(touch.touch_id, ReceiptStatus.SENT, path.name, "written")


def _path(folder: Path, channel: Channel, touch_id: str) -> Path:
    return folder / channel.value / f"{touch_id}.{'eml' if channel is Channel.EMAIL else 'json'}"


def _settle(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        with suppress(FileExistsError):  # another worker was first with the same touch
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _content(touch: OutgoingTouch) -> bytes:
    if touch.channel is Channel.EMAIL:
        return compose(
            sender=(touch.sender.name, touch.sender.address),
            to_address=touch.address,
            subject=touch.subject,
            text=touch.text,
            html=touch.html,
            touch_id=touch.touch_id,
            date=touch.date,
            link=touch.unsubscribe_url,
            reply_to=touch.reply_to,
            headers=touch.headers,
        )
    return json.dumps(as_json(touch), ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n"


def as_json(touch: OutgoingTouch) -> dict[str, object]:
    """A touch as a JSON object, for files and webhooks."""
    return {
        "touch_id": touch.touch_id,
        "idempotency_key": touch.idempotency_key,
        "person_id": touch.person_id,
        "channel": touch.channel.value,
        "to": touch.address,
        "from": {"name": touch.sender.name, "address": touch.sender.address},
        "reply_to": touch.reply_to or None,
        "subject": touch.subject,
        "text": touch.text,
        "html": touch.html or None,
        "unsubscribe_url": touch.unsubscribe_url or None,
        "expires_at": f"{touch.expires_at.isoformat()}Z",
        "headers": [list(pair) for pair in touch.headers],
        "sender_id": touch.sender_id,
    }
