"""Which landings count: from all that ever landed to the rows that the raw tables must hold.

A file of the same source, object, export and name that landed later corrects the earlier one; so does a file that
declares it. An export that repeats the one before it adds nothing. The result depends on the landing folder and
`sources.yml` alone, so that the warehouse can be rebuilt from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import phonenumbers

from contracts.sources import Mode, Source
from contracts.words import Crm
from pipelines.ingest.aliases import alias_table
from pipelines.ingest.judge import JUDGE_VERSION
from pipelines.ingest.landing import DeliveryRecord, LandingManifest, landing_id

# Lists that an operator hands over by command; always counted, whatever sources.yml says.
OPERATOR: str = "operator"


@dataclass(frozen=True)
class Effective:
    """One landing as the raw tables see it."""

    folder: Path
    manifest: LandingManifest
    record: DeliveryRecord
    landing_id: str
    source: Source | None
    supersedes: str | None = None
    is_superseded: bool = False

    @property
    def is_history(self) -> bool:
        """Whether it belongs to the declared history load of its source."""
        history = self.source.history if self.source else None
        return history is not None and self.record.exported_at.date() <= history.until

    @property
    def assumed_lag_hours(self) -> int | None:
        """Hours after which a row of the history load is assumed to have been observed; None outside of one."""
        history = self.source.history if self.source else None
        return history.assumed_lag_hours if history and self.is_history else None

    @property
    def country(self) -> str | None:
        """Declared country of the source."""
        declaration = self.source.declaration if self.source else None
        return declaration.country if declaration else None

    def fingerprint(self, *, max_reject_share: float) -> str:
        """What its judgement depends on beside its content."""
        table = alias_table(self.manifest.crm)
        facts = {
            "judge": JUDGE_VERSION,
            "spec": table.objects[self.manifest.object].model_dump(mode="json"),
            "phones": phonenumbers.__version__,
            "dates": self.record.declared_dates,
            "encoding": self.manifest.encoding,
            "zone": self.record.time_zone,
            "mapping": self.record.mapping,
            "exported_at": self.record.exported_at.isoformat(),
            "country": self.country,
            "mode": self.record.mode,
            "history": [self.is_history, self.assumed_lag_hours],
            "market": self.source.market if self.source else None,
            "share": max_reject_share,
            "supersedes": self.supersedes,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def effective_landings(
    landed: Iterable[tuple[Path, LandingManifest]], sources: Iterable[Source], crm: Crm
) -> list[Effective]:
    """Landings of one CRM that count, superseded ones included, by source, object and time of export."""
    declared = {source.name: source for source in sources if source.crm is crm}
    groups: dict[tuple[str, str], list[tuple[Path, LandingManifest, DeliveryRecord]]] = defaultdict(list)
    for folder, manifest in landed:
        is_declared = manifest.source in declared or (manifest.source == OPERATOR and crm is Crm.MAPPED_CSV)
        if is_declared and manifest.crm is crm and manifest.object in alias_table(crm).objects:
            for record in manifest.deliveries:
                groups[(manifest.source, manifest.object)].append((folder, manifest, record))
    result: list[Effective] = []
    for key in sorted(groups):
        result += _one_object(groups[key], declared.get(key[0]))
    return result


def _one_object(
    deliveries: list[tuple[Path, LandingManifest, DeliveryRecord]], source: Source | None
) -> list[Effective]:
    deliveries.sort(key=lambda item: (item[2].exported_at, item[2].file_name, item[2].landed_at, item[1].sha256))
    first: dict[str, datetime] = {}
    items: list[Effective] = []
    for folder, manifest, record in deliveries:
        is_first = first.setdefault(manifest.sha256, record.exported_at) == record.exported_at
        identity = landing_id(manifest, record, is_first=is_first)
        items.append(Effective(folder, manifest, record, identity, source))
    return _without_repeats(_with_corrections(items))


def _with_corrections(items: list[Effective]) -> list[Effective]:
    """Mark what a later landing corrects."""
    result: list[Effective] = []
    for item in items:
        target = item.record.supersedes
        for place in range(len(result) - 1, -1, -1):
            old = result[place]
            if old.is_superseded:
                continue
            is_same_file = (old.record.exported_at, old.record.file_name) == (
                item.record.exported_at,
                item.record.file_name,
            )
            if (is_same_file or old.record.file_name == target) and old.landing_id != item.landing_id:
                result[place] = replace(old, is_superseded=True)
                item = replace(item, supersedes=old.landing_id)
                break
        result.append(item)
    return result


def _without_repeats(items: list[Effective]) -> list[Effective]:
    """Leave out exports that hold what the one before held, and increments that came before."""
    live = [item for item in items if not item.is_superseded]
    kept: list[Effective] = [item for item in items if item.is_superseded]
    exports: dict[datetime, list[Effective]] = defaultdict(list)
    for item in live:
        if item.record.mode is Mode.FULL:
            exports[item.record.exported_at].append(item)
    before: frozenset[str] = frozenset()
    for exported_at in sorted(exports):
        content = frozenset(item.manifest.sha256 for item in exports[exported_at])
        if content != before:
            unique = {item.manifest.sha256: item for item in reversed(exports[exported_at])}
            kept += unique.values()
        before = content
    seen: set[str] = set()
    for item in live:
        if item.record.mode is Mode.INCREMENTAL and item.manifest.sha256 not in seen:
            seen.add(item.manifest.sha256)
            kept.append(item)
    kept.sort(key=lambda item: (item.record.exported_at, item.record.file_name, item.landing_id))
    return kept
