"""The outbox: one folder per batch, complete or absent."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from contracts.errors import PermanentError
from contracts.files import fsync_path, sha256_file
from contracts.words import Channel
from recovery.batch import Batch, Touch
from recovery.drafting import SenderFacts, build_eml
from recovery.sinks.crm_update import write_crm_updates
from recovery.sinks.formula import guard
from recovery.tokens import TokenKey

COLUMNS: Final = (
    "touch_id", "person_id", "source", "crm", "record_object", "record_id", "channel", "to_address", "not_before",
    "expires_at", "subject", "body", "playbook", "step", "cycle", "content_sha256",
)  # fmt: skip


def emit_batch(outbox: Path, batch: Batch, *, sender: SenderFacts, key: TokenKey, crm_updates: pa.Table) -> Path:
    """Write `<outbox>/<batch_id>/`; a batch that is there already is left alone.

    Everything is written beside it and renamed at the end, so that a reader sees all or nothing and a killed
    run leaves nothing that the next one does not replace by the same bytes.

    Args:
        outbox: root of emitted batches.
        batch: what leaves; held-out touches are counted and written nowhere.
        sender: who writes.
        key: makes the unsubscribe links; the same key as in the drafts, and with them one of the inputs of the bytes.
        crm_updates: see `write_crm_updates`.

    Raises:
        PermanentError: another content stands under this name.
    """
    target = outbox / batch.batch_id
    if target.exists():
        _verify(target, batch)
        return target
    staging = _fresh(outbox, batch.batch_id)
    files = {name: (path, rows) for name, path, rows in _write_channels(staging, batch.planned)}
    _write_mails(staging, batch, sender, key, files)
    for name, rows in write_crm_updates(staging, crm_updates).items():
        files[name] = (staging / name, rows)
    manifest = {
        "kind": "batch",
        "batch_id": batch.batch_id,
        "sha256": batch.sha256,
        "as_of_date": batch.as_of.isoformat(),
        "sender_id": batch.sender_id,
        "planned": len(batch.planned),
        "held_out": batch.held_out,
        "files": _described(files),
    }
    _write_manifest(staging, manifest)
    _settle(staging, target)
    return target


def emit_scores(outbox: Path, *, as_of: date, sender_id: str, crm_updates: pa.Table) -> Path | None:
    """Write `<outbox>/<day>-scores/crm_update_<crm>.csv` for a day without a batch; None without rows.

    Its manifest says `"kind": "scores"` and names no batch: nothing in the folder is to be sent. It follows the day's
    scores when they change.
    """
    if crm_updates.num_rows == 0:
        return None
    name = f"{as_of.isoformat()}-scores"
    staging = _fresh(outbox, name)
    files = {file: (staging / file, rows) for file, rows in write_crm_updates(staging, crm_updates).items()}
    manifest = {
        "kind": "scores",
        "batch_id": None,
        "sha256": None,
        "as_of_date": as_of.isoformat(),
        "sender_id": sender_id,
        "planned": 0,
        "held_out": 0,
        "files": _described(files),
    }
    _write_manifest(staging, manifest)
    target = outbox / name
    if target.exists():
        old = {path.name: sha256_file(path) for path in target.iterdir()}
        if old == {path.name: sha256_file(path) for path in staging.iterdir()}:
            shutil.rmtree(staging)
            return target
        shutil.rmtree(target)
    _settle(staging, target)
    return target


def _described(files: Mapping[str, tuple[Path, int]]) -> dict[str, dict[str, Any]]:
    return {name: {"sha256": sha256_file(path), "rows": rows} for name, (path, rows) in sorted(files.items())}


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _fresh(outbox: Path, name: str) -> Path:
    staging = outbox / f".{name}.tmp"
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    return staging


def _settle(staging: Path, target: Path) -> None:
    # Flushed together: the disk writes its journal once for many.
    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(fsync_path, sorted(staging.rglob("*"))))
    fsync_path(staging)
    staging.replace(target)
    fsync_path(target.parent)


def _verify(target: Path, batch: Batch) -> None:
    try:
        found = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError):
        found = None
    if found != batch.sha256:
        raise PermanentError(
            f"The outbox holds another content under the name {batch.batch_id}.",
            where=str(target),
            remedy="Somebody changed or removed files there; move the folder away and run the day again.",
        )


def _write_channels(folder: Path, touches: Iterable[Touch]) -> Iterable[tuple[str, Path, int]]:
    by_channel: dict[Channel, list[Touch]] = {}
    for touch in touches:
        by_channel.setdefault(touch.draft.channel, []).append(touch)
    for channel in sorted(by_channel):
        path = folder / f"{channel.value}.csv"
        path.write_bytes(_csv(by_channel[channel]))
        yield path.name, path, len(by_channel[channel])


def _csv(touches: list[Touch]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for touch in touches:
        writer.writerow([guard(cell) for cell in _cells(touch)])
    return buffer.getvalue().encode("utf-8")


def _cells(touch: Touch) -> tuple[str, ...]:
    draft = touch.draft
    # RFC 3966 form: a bare +1... would be taken for a formula.
    address = f"tel:{draft.to_address}" if draft.channel in (Channel.SMS, Channel.CALL) else draft.to_address
    return (
        touch.touch_id,
        touch.person_id,
        touch.source,
        touch.crm,
        touch.record_object,
        touch.record_id,
        draft.channel.value,
        address,
        f"{touch.not_before.isoformat()}Z",
        f"{touch.expires_at.isoformat()}Z",
        draft.subject,
        draft.text,
        touch.playbook,
        str(touch.step),
        str(touch.cycle),
        draft.content_sha256,
    )


def _write_mails(
    folder: Path, batch: Batch, sender: SenderFacts, key: TokenKey, files: dict[str, tuple[Path, int]]
) -> None:
    mails = [touch for touch in batch.planned if touch.draft.channel is Channel.EMAIL]
    if not mails:
        return
    (folder / "eml").mkdir()
    for touch in mails:
        link = sender.unsubscribe_link(key.token(touch.touch_id, list_id=batch.sender_id))
        data = build_eml(touch.draft, sender, touch_id=touch.touch_id, not_before=touch.not_before, link=link)
        path = folder / "eml" / f"{touch.touch_id}.eml"
        path.write_bytes(data)
        files[f"eml/{path.name}"] = (path, 1)
