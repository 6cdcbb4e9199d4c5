"""Access (GDPR Art. 15, 20): everything that is held about a person, in one archive of JSON."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from contracts.files import write_atomic
from contracts.published import PublishedManifest
from contracts.settings import Settings
from pipelines.ingest.landing import DATA, all_manifests
from pipelines.rights.landing import columns_of
from recovery.addresses import AddressKey
from recovery.rights.matching import Identifiers, rows_by_person, rows_of_people, rows_with_id
from recovery.rights.requests import held_about

_ABOUT: Final = """What this archive holds: landing.json - rows of CRM exports; ledger.json - permission, suppression,
touches, events, messages; published.json - scores, plans and decisions. Times are UTC.
"""


def export_person(
    settings: Settings, engine: sa.Engine, people: Identifiers, target: Path, *, addresses: AddressKey, now: datetime
) -> dict[str, int]:
    """Write the archive; returns rows by part. Only its owner may read it (mode 0600)."""
    parts: dict[str, Any] = {
        "landing": _landed(settings.landing_dir, people),
        "ledger": held_about(
            engine,
            people,
            address_hashes=[addresses.hash(text) for text in (*people.emails, *people.numbers)],
        ),
        "published": _published(settings.published_dir, people),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", f"{_ABOUT}Made {now.isoformat(timespec='seconds')}Z.\n")
        for name, content in parts.items():
            archive.writestr(f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False, default=str))
    write_atomic(target, buffer.getvalue())
    target.chmod(0o600)
    return {name: sum(len(rows) for rows in content.values()) for name, content in parts.items()}


def _landed(root: Path, people: Identifiers) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for folder, manifest in all_manifests(root):
        table = pq.read_table(folder / DATA, partitioning=None)
        columns = columns_of(manifest)
        own = people.records.get((manifest.source, manifest.object), frozenset())
        all_ids = people.record_ids(manifest.source)
        if columns.is_people and columns.roles.own_id is not None:
            # A record of somebody else that mentions them is about somebody else (GDPR Art. 15(4)).
            mask = rows_with_id(table, columns.roles.own_id, own)
        else:
            mask = rows_of_people(table, people, own=own, all_ids=all_ids, roles=columns.roles)
        rows = table.filter(mask).to_pylist()
        if rows:
            found[f"{manifest.source}/{manifest.object}/{manifest.sha256[:12]}"] = rows
    return found


def _published(root: Path, people: Identifiers) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for path in sorted(root.glob("*/*/manifest.json")):
        manifest = PublishedManifest.model_validate_json(path.read_bytes())
        table = pq.read_table(path.parent / manifest.path, partitioning=None)
        has_ids = "person_id" in table.column_names
        mask = rows_with_id(table, "person_id", people.person_ids) if has_ids else rows_by_person(table, people)
        if pc.any(mask).as_py():
            found[f"{manifest.dataset}/{manifest.as_of_date}"] = table.filter(mask).to_pylist()
    return found
