"""People in landed exports: found by record, address and number, and taken out under a new hash."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.files import sha256_file, write_atomic
from contracts.words import Crm
from pipelines.ingest.aliases import Kind, alias_table, match_headers
from pipelines.ingest.landing import DATA, MANIFEST, REJECTS, LandingManifest, all_manifests, note_rewritten
from recovery.rights.matching import Identifiers, Roles, blot, rows_of_people, rows_with_id
from recovery.rights.requests import ErasureReceipt

_OF_PEOPLE: Final = ("contact_id", "lead_id", "who_id", "related_to_id", "converted_contact_id", "merged_into_id",
                     "merged_ids", "person_id")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Headers of a landed file by what they hold; `fixed_country` is what a mapping declares for every row."""

    roles: Roles
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    names: tuple[str, ...]
    country: str | None
    is_people: bool
    fixed_country: str | None = None


def columns_of(manifest: LandingManifest) -> Columns:
    """What the columns of a landing are, by its aliases or its declared mapping."""
    spec = alias_table(manifest.crm).objects.get(manifest.object)
    if spec is None:
        return Columns(Roles(None), (), (), (), None, is_people=False)
    headers, fixed = dict(match_headers(spec, manifest.columns).headers), dict[str, str]()
    if manifest.crm is Crm.MAPPED_CSV:
        declared = manifest.deliveries[-1].mapping or {}
        headers = {name: str(value["column"]) for name, value in declared.items() if "column" in value}
        fixed = {name: str(value["const"]) for name, value in declared.items() if "const" in value}
    headers = {name: header for name, header in headers.items() if header in manifest.columns}

    def of(*kinds: Kind) -> tuple[str, ...]:
        return tuple(headers[name] for name in spec.of_kind(*kinds) if name in headers)

    own = headers.get(spec.key or "") if spec.is_people else None
    ids = tuple(headers[name] for name in _OF_PEOPLE if name in headers)
    names = tuple(headers[name] for name in ("first_name", "last_name") if name in headers)
    country = next(iter(of(Kind.COUNTRY)), None)
    constant = next((fixed[name] for name in spec.of_kind(Kind.COUNTRY) if name in fixed), None)
    return Columns(Roles(own, ids), of(Kind.EMAIL), of(Kind.PHONE), names, country, spec.is_people, constant)


def people_rows(root: Path) -> Iterator[tuple[LandingManifest, Columns, pa.Table]]:
    """Identifying columns of every landed file of people."""
    for folder, manifest in all_manifests(root):
        columns = columns_of(manifest)
        if columns.is_people and columns.roles.own_id is not None:
            wanted = [columns.roles.own_id, *columns.emails, *columns.phones, *columns.names]
            wanted += [columns.country] if columns.country else []
            yield (
                manifest,
                columns,
                pq.read_table(folder / DATA, columns=list(dict.fromkeys(wanted)), partitioning=None),
            )


def erase_landing(root: Path, people: Identifiers) -> Iterator[ErasureReceipt]:
    """Rewrite every landed file that holds these people, each under its new hash, with a receipt."""
    for folder, manifest in all_manifests(root):
        found = _rewrite(folder, manifest, people)
        if found is not None:
            yield found


def _rewrite(folder: Path, manifest: LandingManifest, people: Identifiers) -> ErasureReceipt | None:
    columns = columns_of(manifest)
    kept: dict[str, pa.Table] = {}
    taken, blotted = {DATA: 0, REJECTS: 0}, 0
    for name in (DATA, REJECTS):
        if not (folder / name).exists():
            continue
        table = pq.read_table(folder / name, partitioning=None)
        roles = columns.roles if name == DATA else Roles(None)
        own = people.records.get((manifest.source, manifest.object), frozenset())
        mask = rows_of_people(table, people, own=own, all_ids=people.record_ids(manifest.source), roles=roles)
        if columns.is_people and roles.own_id is not None:
            by_id = replace(people, emails=frozenset(), phones=frozenset(), names=frozenset())
            theirs = rows_of_people(table, by_id, own=own, all_ids=people.record_ids(manifest.source), roles=roles)
            theirs = pc.or_(theirs, pc.and_(mask, rows_with_id(table, roles.own_id, [""])))
            # A record of somebody else that mentions them stays, without the words.
            table, blotted = blot(table, people, pc.and_(mask, pc.invert(theirs)))
            mask = theirs
        kept[name] = table.filter(pc.invert(mask))
        taken[name] = table.num_rows - kept[name].num_rows
    if not any(taken.values()) and not blotted:
        return None
    return _settle(folder, manifest, kept, taken, blotted)


def _settle(
    folder: Path, manifest: LandingManifest, kept: dict[str, pa.Table], taken: dict[str, int], blotted: int
) -> ErasureReceipt:
    staging = folder.parent / f".{folder.name}.erasing"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for name, table in kept.items():
        pq.write_table(table, staging / name, compression="zstd")
    digest = sha256_file(staging / DATA)
    changed = manifest.model_copy(
        update={
            "sha256": digest,
            "rows": manifest.rows - taken[DATA],
            "structural_rejects": manifest.structural_rejects - taken[REJECTS],
        }
    )
    write_atomic(staging / MANIFEST, changed.model_dump_json(indent=1).encode())
    target = folder.parent / digest
    if target.exists():
        shutil.rmtree(target)
    staging.replace(target)
    note_rewritten(folder.parent, manifest.sha256, digest)
    shutil.rmtree(folder)
    item = f"{manifest.source}/{manifest.object}"
    return ErasureReceipt("landing", item, manifest.sha256, digest, sum(taken.values()) + blotted)
