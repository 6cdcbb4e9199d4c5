"""Publishes the champion for serving processes: its plain file and a signed pointer, without MLflow."""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import TYPE_CHECKING

from contracts.keys import MODELS, installation_key
from contracts.settings import Settings
from contracts.words import DEFINITION_VERSION
from models.training.record import CandidateRecord
from pipelines.training.library import MODEL_FILE, Library

if TYPE_CHECKING:
    from models.scoring.published import PublishedModel
    from models.tracking.store import Held


def publish_champion(
    settings: Settings, *, held: Held, record: CandidateRecord, anchor: tuple[float, int]
) -> PublishedModel:
    """Publish a registered version as the model in use; the same version again changes nothing.

    Args:
        settings: of the installation; its `models` key signs the pointer.
        held: the version, its file on the shelf.
        record: of its training.
        anchor: base rate at which 50 points stand, and its version.

    Raises:
        BadInputError: the file on the shelf is missing or was changed.
    """
    from models.scoring.files import load_model
    from models.scoring.published import PublishedModel, publish_model

    path = Library(settings.var_dir / "models").folder(held.fingerprint) / MODEL_FILE
    data = load_model(path, sha256=held.model_sha256).to_bytes()
    pointer = PublishedModel(
        version=held.version,
        path="",
        sha256="",
        bytes=0,
        fingerprint=held.fingerprint,
        recipe=record.name,
        anchor=anchor[0],
        anchor_version=anchor[1],
        definition_version=DEFINITION_VERSION,
        horizon_days=record.horizon_days,
        live_since=date.fromisoformat(held.tags["promoted_as_of"]),
        reliability=tuple((row["p"], row["observed"], row["rows"]) for row in record.reliability),
        metrics={name: value for name, value in sorted(record.figures.items()) if isfinite(value)},
    )
    return publish_model(settings.published_dir, data, pointer, key=installation_key(settings.secrets_dir, MODELS))


def is_published(settings: Settings, version: str | None) -> bool:
    """Whether serving processes find a version; always for the rules, which need no file."""
    from models.scoring.published import published_version

    return version is None or published_version(settings.published_dir) == version
