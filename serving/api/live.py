"""What the API answers from: the published model and scores, swapped whole when something newer is published."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from contracts.errors import RecoveryError
from contracts.keys import MODELS, installation_key
from contracts.published import PublishedManifest, latest_date, read_manifest
from contracts.words import DEFINITION_VERSION
from models.features import FEATURES
from models.scoring.model import ResurrectionModel
from models.scoring.published import POINTER, PublishedModel, folder_of, read_model
from serving.api.people import DATASET, UNSCORED, People, nobody, open_people

POLL_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 5.0  # what could not be read is tried again after so long, or when it changes
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_log = logging.getLogger("recovery.api")


@dataclass(frozen=True)
class Live:
    """One consistent state; a request uses the same one from its beginning to its end.

    Attributes:
        pointer, model: the published model, None before any was promoted.
        people: everyone scored on the newest published date.
        unscored: everyone known on that date who has no score.
        manifest: of the scores.
        faults: why something newer is not used, by what it is.
        loaded_at: when this state came into use, aware UTC.
    """

    pointer: PublishedModel | None = None
    model: ResurrectionModel | None = None
    people: People = field(default_factory=nobody)
    unscored: People = field(default_factory=nobody)
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
    """Reads the newest published state; what cannot be read never replaces what works, and is tried again.

    Args:
        published: root of published datasets and models.
        secrets: folder with the key that signs the model's pointer.
        cache: folder of files that can be made again.
        now: the clock, aware UTC.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        published: Path,
        *,
        secrets: Path,
        cache: Path,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._published, self._secrets, self._cache, self._now, self._clock = published, secrets, cache, now, clock
        self._used: dict[str, object] = {}
        self._failed: dict[str, tuple[object, float]] = {}
        self.live = Live()

    def refresh(self) -> bool:
        """Look for something newer and take it, model and scores each by itself; whether the state changed."""
        live = self._part("model", self._model_stamp, self._model, self.live)
        live = self._part("scores", self._scores_stamp, self._people, live)
        is_changed = live is not self.live
        self.live = live
        return is_changed

    def _part(self, what: str, look: Callable[[], object], load: Callable[[], dict[str, Any]], live: Live) -> Live:
        stamp: object = None
        try:
            stamp = look()
            if stamp == self._used.get(what, self):
                return live if what not in live.faults else replace(live, faults=_without(live.faults, what))
            tried = self._failed.get(what)
            if tried is not None and tried[0] == stamp and self._clock() < tried[1] + RETRY_SECONDS:
                return live
            found = load()
        except Exception as error:  # noqa: BLE001 - whatever was published, what works goes on
            self._failed[what] = stamp, self._clock()
            why = str(error) if isinstance(error, RecoveryError) else f"it cannot be read ({type(error).__name__})"
            if live.faults.get(what) == why:
                return live
            _log.warning("the newest %s is not used: %s", what, why)
            return replace(live, faults={**live.faults, what: why})
        self._used[what] = stamp
        self._failed.pop(what, None)
        return replace(live, **found, faults=_without(live.faults, what), loaded_at=self._now())

    def _model_stamp(self) -> object:
        return _stamp(folder_of(self._published) / POINTER)

    def _scores_stamp(self) -> object:
        newest = latest_date(self._published, DATASET)
        names = (DATASET, UNSCORED)
        return newest and tuple(_stamp(self._published / name / newest.isoformat() / "manifest.json") for name in names)

    def _model(self) -> dict[str, Any]:
        has_pointer = (folder_of(self._published) / POINTER).exists()
        key = installation_key(self._secrets, MODELS, make=False) if has_pointer else None
        found = read_model(self._published, key=key) if key is not None else None
        if found is None:
            if self.live.model is None:
                return {}
            raise RecoveryError("The pointer to the model is gone.", where="published model")
        pointer, model = found
        _refuse_other_definitions(pointer)
        _refuse_unknown_features(model)
        model.evaluator.prepare()
        model.p_one({})
        return {"pointer": pointer, "model": model}

    def _people(self) -> dict[str, Any]:
        newest = latest_date(self._published, DATASET)
        manifest = read_manifest(self._published, dataset=DATASET, as_of=newest) if newest else None
        if manifest is None:
            if self.live.manifest is None:
                return {}
            raise RecoveryError("The published scores are gone.", where=DATASET)
        people = open_people(self._published, self._cache, manifest)
        others = read_manifest(self._published, dataset=UNSCORED, as_of=manifest.as_of_date)
        unscored = nobody() if others is None else open_people(self._published, self._cache, others)
        return {"manifest": manifest, "people": people, "unscored": unscored}


def _without(faults: dict[str, str], what: str) -> dict[str, str]:
    return {name: why for name, why in faults.items() if name != what}


class Watcher:
    """Looks for something newer in a thread of its own.

    Args:
        looks: called one after another, over and over.
        every_seconds: pause between two rounds.
        name: of the thread.
    """

    def __init__(
        self, *looks: Callable[[], object], every_seconds: float = POLL_SECONDS, name: str = "published"
    ) -> None:
        self._looks, self._every = looks, every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread is over."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            for look in self._looks:
                try:
                    look()
                except Exception:  # noqa: BLE001 - the watcher must outlive whatever was published
                    _log.exception("looking for something newer failed")


def _refuse_other_definitions(pointer: PublishedModel) -> None:
    if pointer.definition_version != DEFINITION_VERSION:
        raise RecoveryError(
            f"The model was made with definitions {pointer.definition_version}, this release has {DEFINITION_VERSION}.",
            where="published model",
            remedy="Serve it with the release that trained it, or train again.",
        )


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
