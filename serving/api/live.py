"""What the API answers from: the published model and scores, swapped whole when something newer is published."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from contracts.errors import RecoveryError
from contracts.keys import MODELS, installation_key
from contracts.published import PublishedManifest, latest_date, read_manifest
from models.features import FEATURES
from models.scoring.model import ResurrectionModel
from models.scoring.published import PublishedModel, folder_of, read_model
from serving.api.people import DATASET, People, nobody, open_people

POLL_SECONDS: Final = 1.0
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_log = logging.getLogger("recovery.api")


@dataclass(frozen=True)
class Live:
    """One consistent state; a request uses the same one from its beginning to its end.

    Attributes:
        pointer, model: the published model, None before any was promoted.
        people: everyone scored on the newest published date.
        manifest: of those scores.
        faults: why something newer is not used, by what it is.
        loaded_at: when this state came into use, aware UTC.
    """

    pointer: PublishedModel | None = None
    model: ResurrectionModel | None = None
    people: People = field(default_factory=nobody)
    manifest: PublishedManifest | None = None
    faults: dict[str, str] = field(default_factory=dict)
    loaded_at: datetime = _NEVER

    @property
    def as_of(self) -> date | None:
        """Newest published date."""
        return self.people.as_of

    def why_not_ready(self) -> str | None:
        """Why something cannot be answered as it was published; None when all can.

        An installation without a model is ready: its scores are those of the rule scorecard.
        """
        if self.model is None and "model" in self.faults:
            return self.faults["model"]
        if self.manifest is None:
            return self.faults.get("scores", "no scores were published yet")
        return None


class Source:
    """Reads the newest published state; what cannot be read never replaces what works.

    Args:
        published: root of published datasets and models.
        secrets: folder with the key that signs the model's pointer.
        cache: folder of files that can be made again.
        now: the clock, aware UTC.
    """

    def __init__(self, published: Path, *, secrets: Path, cache: Path, now: Callable[[], datetime]) -> None:
        self._published, self._secrets, self._cache, self._now = published, secrets, cache, now
        self._stamp: tuple[object, ...] | None = None
        self.live = Live()

    def refresh(self) -> bool:
        """Look for something newer and take it; whether the state changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        faults: dict[str, str] = {}
        pointer, model = self._model(faults)
        manifest, people = self._people(faults)
        self.live = Live(pointer, model, people, manifest, faults, self._now())
        for what, why in faults.items():
            _log.warning("the newest %s is not used: %s", what, why)
        return True

    def _look(self) -> tuple[object, ...]:
        newest = latest_date(self._published, DATASET)
        files = [folder_of(self._published) / "current.json"]
        if newest is not None:
            files.append(self._published / DATASET / newest.isoformat() / "manifest.json")
        return tuple(_stamp(path) for path in files)

    def _model(self, faults: dict[str, str]) -> tuple[PublishedModel | None, ResurrectionModel | None]:
        try:
            if not (folder_of(self._published) / "current.json").exists():
                return self.live.pointer, self.live.model
            found = read_model(self._published, key=installation_key(self._secrets, MODELS, make=False))
            if found is None:
                return self.live.pointer, self.live.model
            pointer, model = found
            _refuse_unknown_features(model)
            model.evaluator.prepare()
            model.p_one({})
        except RecoveryError as error:
            faults["model"] = str(error)
            return self.live.pointer, self.live.model
        return pointer, model

    def _people(self, faults: dict[str, str]) -> tuple[PublishedManifest | None, People]:
        try:
            newest = latest_date(self._published, DATASET)
            manifest = read_manifest(self._published, dataset=DATASET, as_of=newest) if newest else None
            if manifest is None:
                return self.live.manifest, self.live.people
            return manifest, open_people(self._published, self._cache, manifest)
        except (RecoveryError, OSError, ValueError) as error:
            faults["scores"] = f"they cannot be read ({type(error).__name__})"
            return self.live.manifest, self.live.people


class Watcher:
    """Looks for something newer in a thread of its own.

    Args:
        looks: called one after another, over and over.
        every_seconds: pause between two rounds.
    """

    def __init__(self, *looks: Callable[[], object], every_seconds: float = POLL_SECONDS) -> None:
        self._looks, self._every = looks, every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="published", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread is over."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                for look in self._looks:
                    look()
            except Exception:  # noqa: BLE001 - the watcher must outlive whatever was published
                _log.exception("looking for something newer failed")


def _refuse_unknown_features(model: ResurrectionModel) -> None:
    known = {spec.name for spec in FEATURES}
    if foreign := sorted(set(model.feature_names) - known):
        raise RecoveryError(
            f"The model reads {len(foreign)} features that this release does not make: {', '.join(foreign[:3])}.",
            where="published model",
            remedy="Serve it with the release that trained it, or train again.",
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
