"""Erasure over every store, each with its receipt, and the proof that no byte is left."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq
import sqlalchemy as sa

from contracts.errors import PermanentError
from contracts.files import sha256_file, write_atomic
from contracts.published import PublishedManifest
from contracts.settings import Settings
from pipelines.ingest.landing import landing_lock
from pipelines.rights.landing import erase_landing
from recovery.addresses import AddressKey
from recovery.ledger.engine import reading
from recovery.rights.files import Eraser, hits
from recovery.rights.ledger_texts import texts_that_name
from recovery.rights.matching import Identifiers
from recovery.rights.requests import ErasureReceipt, erase_from_ledger, keep_receipts
from recovery.rights.unfinished import forget_words, keep_words

# The source systems' own files, in a demo below the state folder: erased by whoever keeps them.
_SOURCES: Final = ("world", "truth")
_OWN_WAY: Final = ("landing", "published", "warehouse", "ledger", "secrets", *_SOURCES)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did: receipts, and files of the source systems that still name the people."""

    receipts: tuple[ErasureReceipt, ...]
    left_to_the_source: tuple[Path, ...]


def erase_people(
    settings: Settings,
    engine: sa.Engine,
    people: Identifiers,
    *,
    addresses: AddressKey,
    now: datetime,
    request_id: str | None = None,
) -> Erasure:
    """Take people out of landing, warehouse, published files, ledger, outbox, reports, model files and caches.

    The warehouse is removed whole: the next day rebuilds it without them, so they are in no snapshot and no label,
    and never count as "did not come back". So are the answers that the API keeps ready. Their addresses stay blocked by
    keyed hash; the audit chain stays whole. Addresses that records of others hold too stay where they belong to those.

    Under a request each receipt is kept as it arises, and so is whom it is about until all is done: a run that was
    stopped is finished by `unfinished_erasure`.

    Args:
        settings: where the stores are.
        engine: of the ledger.
        people: who asked.
        addresses: hashes what stays blocked.
        now: naive UTC.
        request_id: under which the receipts are kept; None keeps none.

    Raises:
        PermanentError: a file or a column of the ledger still holds one of them afterwards; it is named.
    """
    var_dir = settings.var_dir
    if request_id is not None:
        keep_words(engine, request_id, people, now=now)
    receipts: list[ErasureReceipt] = []
    for found in _steps(settings, engine, people, addresses, now):
        receipts += found
        if request_id is not None:
            keep_receipts(engine, request_id, found, now=now)
    _prove(settings, engine, people, skip_ledger_file=request_id is not None)
    if request_id is not None:
        forget_words(engine, request_id)
        _refuse_leftovers(settings, _named_files(var_dir / "ledger", people))
    sources = {path for name in _SOURCES for path in _named_files(var_dir / name, people)}
    return Erasure(tuple(receipts), tuple(sorted(sources)))


def _steps(
    settings: Settings, engine: sa.Engine, people: Identifiers, addresses: AddressKey, now: datetime
) -> Iterator[list[ErasureReceipt]]:
    """Each store is rewritten when its receipts are asked for."""
    var_dir = settings.var_dir
    with landing_lock(settings.landing_dir):
        yield from ([receipt] for receipt in erase_landing(settings.landing_dir, people))
    yield _remove_warehouse(settings.warehouse_path)
    for place in (
        _erase_published(settings.published_dir, people),
        _remove_answers(var_dir / "cache" / "api"),
        _erase_files(var_dir, people),
    ):
        yield from ([receipt] for receipt in place)
    blocked = [(addresses.hash(text), "all") for text in sorted(people.emails | people.numbers)]
    yield erase_from_ledger(engine, people, suppress=blocked, sender_id=settings.sender_id, now=now)
    if people.shared:
        yield [ErasureReceipt("kept", "addresses that records of others hold too", rows=people.shared)]


def _prove(settings: Settings, engine: sa.Engine, people: Identifiers, *, skip_ledger_file: bool) -> None:
    """Search every byte and every text of the ledger; its own file only once it forgot whom the erasure is about."""
    var_dir = settings.var_dir
    with reading(engine) as connection:
        columns = texts_that_name(connection, people.words)
    own = ("ledger",) if skip_ledger_file else ()
    left = _named_files(var_dir, people, skip=tuple(var_dir / name for name in (*_SOURCES, "secrets", *own)))
    _refuse_leftovers(settings, left, columns)


def _named_files(root: Path, people: Identifiers, *, skip: tuple[Path, ...] = ()) -> list[Path]:
    return sorted({path for path, _ in hits(root, people.words, skip=skip)})


def _refuse_leftovers(settings: Settings, files: Sequence[Path], columns: Sequence[str] = ()) -> None:
    left = [*(str(path.relative_to(settings.var_dir)) for path in files), *(f"ledger: {name}" for name in columns)]
    if left:
        kinds = f"{len(files)} files" if not columns else f"{len(files)} files and {len(columns)} columns of the ledger"
        raise PermanentError(
            f"{kinds} still hold somebody who was to be erased.",
            where=", ".join(left[:5]),
            remedy="Remove it by hand or tell us of the kind of file; then run the same erasure again to finish it.",
        )


def _remove_warehouse(path: Path) -> list[ErasureReceipt]:
    if not path.exists():
        return []
    receipt = ErasureReceipt("warehouse", path.name, sha256_file(path), "", 0)
    for part in (*path.parent.glob(f"{path.name}*"), path.parent / "spill"):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
    return [receipt]


def _erase_published(root: Path, people: Identifiers) -> Iterator[ErasureReceipt]:
    eraser = Eraser(people)
    for path in sorted(root.glob("*/*/manifest.json")):
        manifest = PublishedManifest.model_validate_json(path.read_bytes())
        file = path.parent / manifest.path
        table, taken = eraser.table(pq.read_table(file, partitioning=None))
        if taken:
            staging = path.parent / "erasing.parquet"
            pq.write_table(table, staging, compression="zstd", row_group_size=131_072, store_schema=True)
            digest = sha256_file(staging)
            staging.replace(path.parent / f"{digest}.parquet")
            changed = manifest.model_copy(
                update={"path": f"{digest}.parquet", "sha256": digest, "rows": table.num_rows}
            )
            write_atomic(path, changed.model_dump_json(indent=2).encode() + b"\n")
            if file.name != f"{digest}.parquet":
                file.unlink()
            yield ErasureReceipt(
                "published", f"{manifest.dataset}/{manifest.as_of_date}", manifest.sha256, digest, taken
            )
        for stray in path.parent.glob("*.parquet"):  # content of earlier runs of the day, named by nobody any more
            if stray.name != PublishedManifest.model_validate_json(path.read_bytes()).path:
                stray.unlink()


def _remove_answers(cache: Path) -> Iterator[ErasureReceipt]:
    """Answers that the API keeps ready: whole folders, which it makes again from what is published without them."""
    for folder in sorted(path for path in cache.glob("*") if path.is_dir()):
        yield ErasureReceipt("cache", f"api/{folder.name}", sha256_file(folder / "ids.bin"), "", 0)
        shutil.rmtree(folder)


def _erase_files(var_dir: Path, people: Identifiers) -> Iterator[ErasureReceipt]:
    """Outbox, delivered touches, reports, model files, logs and caches: one file at a time."""
    eraser = Eraser(people)
    outbox: set[Path] = set()
    for path in sorted(var_dir.rglob("*")):
        place = path.relative_to(var_dir).parts[0]
        if not path.is_file() or path.is_symlink() or place in _OWN_WAY:
            continue
        if any(path.stem == touch for touch in people.touch_ids):
            yield ErasureReceipt(place, str(path.relative_to(var_dir)), sha256_file(path), "", 1)
            path.unlink()
            outbox.add(path.parent)
            continue
        done = eraser.erase(path)
        if done is not None:
            item = str(path.relative_to(var_dir))
            yield ErasureReceipt(place, item, done.sha256_before, done.sha256_after, done.rows)
            outbox.add(path.parent)
    for folder in outbox:
        _describe_again(folder if (folder / "manifest.json").exists() else folder.parent)


def _describe_again(folder: Path) -> None:
    """Bring the list of files in an emitted batch up to date; the batch keeps its name and hash."""
    path = folder / "manifest.json"
    if not path.exists():
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content.get("files"), dict):
        return
    for name in list(content["files"]):
        file = folder / name
        if not file.exists():
            del content["files"][name]
        elif (digest := sha256_file(file)) != content["files"][name].get("sha256"):
            content["files"][name]["sha256"] = digest
            if file.suffix == ".csv":
                content["files"][name]["rows"] = max(0, _csv_rows(file))
    write_atomic(path, json.dumps(content, indent=2).encode() + b"\n")


def _csv_rows(path: Path) -> int:
    with path.open(encoding="utf-8", newline="") as handle:
        return sum(1 for _ in csv.reader(handle)) - 1
