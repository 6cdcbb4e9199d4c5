"""Retention: what is kept how long, listed first and removed only when told to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from contracts.settings import Settings
from pipelines.ingest.landing import all_manifests, landing_lock
from pipelines.rights.old_files import old_batches, old_deliveries, remove
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import reading, writing

_NONCE_DAYS = 2


@dataclass(frozen=True, slots=True)
class Expired:
    """What is over its time: kind, age limit in days, and how many."""

    what: str
    days: int
    count: int


def list_expired(settings: Settings, engine: sa.Engine, *, now: datetime) -> tuple[Expired, ...]:
    """What `apply_retention` would remove. Suppressions and consent are never among it (47 CFR 64.1200(d)(6))."""
    old = _old_landings(settings, now)
    found = [
        Expired("landed exports that newer ones replace", settings.retain_landing_days, len(old)),
        Expired("message texts", settings.retain_text_days, _count(engine, _old_texts(settings, now))),
        Expired("emitted batches", settings.retain_text_days, len(old_batches(settings, now))),
        Expired("delivered files", settings.retain_text_days, len(old_deliveries(settings, now))),
        Expired("identifiers of webhook requests", _NONCE_DAYS, _count(engine, _old_nonces(now))),
    ]
    return tuple(item for item in found if item.count)


def apply_retention(settings: Settings, engine: sa.Engine, *, now: datetime) -> tuple[Expired, ...]:
    """Remove it; returns what was removed. The audit names kinds and numbers."""
    found = list_expired(settings, engine, now=now)
    with landing_lock(settings.landing_dir):
        remove(_old_landings(settings, now))
    remove([*old_batches(settings, now), *old_deliveries(settings, now)])
    with writing(engine) as connection:
        content, nonce = tables.contents, tables.webhook_nonces
        connection.execute(sa.delete(content).where(_old_texts(settings, now)))
        connection.execute(sa.delete(nonce).where(_old_nonces(now)))
        entry = AuditEntry("retention_applied", "retention", {item.what: item.count for item in found})
        append_audit(connection, [entry], at=now)
    return found


def _old_landings(settings: Settings, now: datetime) -> list[Path]:
    """Landings past their time, but for the newest of each object: without it everybody would look deleted."""
    limit = now - timedelta(days=settings.retain_landing_days)
    newest: dict[tuple[str, str], datetime] = {}
    landed = all_manifests(settings.landing_dir) if settings.landing_dir.exists() else []
    for _, manifest in landed:
        key = (manifest.source, manifest.object)
        latest = max(record.exported_at for record in manifest.deliveries)
        newest[key] = max(newest.get(key, latest), latest)
    return [
        folder
        for folder, manifest in landed
        if (latest := max(record.exported_at for record in manifest.deliveries)) < limit
        and latest < newest[manifest.source, manifest.object]
        and all(record.mode.value == "full" for record in manifest.deliveries)
    ]


def _old_texts(settings: Settings, now: datetime) -> sa.ColumnElement[bool]:
    return tables.contents.c.created_at < now - timedelta(days=settings.retain_text_days)


def _old_nonces(now: datetime) -> sa.ColumnElement[bool]:
    return tables.webhook_nonces.c.seen_at < now - timedelta(days=_NONCE_DAYS)


def _count(engine: sa.Engine, condition: sa.ColumnElement[bool]) -> int:
    with reading(engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).where(condition)).scalar_one())
