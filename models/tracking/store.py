"""MLflow: one experiment, one registered model, three aliases."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from sqlalchemy.exc import SADeprecationWarning

from contracts.errors import BadInputError
from models.scoring.files import FILE_NAME, save_model
from models.scoring.model import ResurrectionModel
from models.tracking.birth import create_store
from models.tracking.peek import CHALLENGER, CHAMPION, MODEL_NAME, PREVIOUS

EXPERIMENT: Final = "resurrection"
FINGERPRINT_TAG: Final = "fingerprint"
SHA_TAG: Final = "model_sha256"
PROMOTED_TAG: Final = "promoted_as_of"
REPLACED_TAG: Final = "replaced_version"
ROLLED_BACK_TAG: Final = "rolled_back_as_of"
ROOT_TAG: Final = "recalibrated_from"
AS_TRAINED_TAG: Final = "keeps_its_calibrator_since"
IN_USE_TAG: Final = "in_use_since"
ANCHOR_TAG, ANCHOR_VERSION_TAG = "anchor", "anchor_version"
_KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
_NOTE: Final = "mlflow.note.content"
_LOADER: Final = "models.scoring.pyfunc"
_REQUIREMENTS: Final = ("numpy", "pandas", "numba")

logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)


@dataclass(frozen=True)
class DayRun:
    """What one training leaves in MLflow. No personal data: counts, shares and feature names only.

    Attributes:
        fingerprint: name of the training; a second run with the same one is never made.
        name: run name, with the as-of date.
        note: Markdown shown at the top of the run.
        summary: one sentence that opens the description of the version.
        dataset: name, fingerprint and place of the rows that were learned from.
        params, metrics, tags: of the parent run.
        candidates: name -> (params, metrics) of the nested runs.
        files: artifact path -> content.
        version_tags: of the registered version.
        source: asset that made it.
    """

    fingerprint: str
    name: str
    note: str
    summary: str
    dataset: tuple[str, str, str]
    params: Mapping[str, object]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    candidates: Mapping[str, tuple[Mapping[str, object], Mapping[str, float]]]
    files: Mapping[str, bytes] = field(default_factory=dict)
    version_tags: Mapping[str, str] = field(default_factory=dict)
    source: str = "training/candidate_model"


@dataclass(frozen=True)
class Logged:
    """Where a training is held; version and hash are None when there is no model."""

    run_id: str
    experiment_id: str
    version: str | None = None
    model_sha256: str | None = None


@dataclass(frozen=True)
class Held:
    """A registered version."""

    version: str
    fingerprint: str
    model_sha256: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def root(self) -> str:
        """Fingerprint of the training: a version that differs from another by its calibrator alone shares it."""
        return self.tags.get(ROOT_TAG, self.fingerprint)


@dataclass(frozen=True)
class Tracking:
    """The MLflow store of an installation.

    Args:
        uri: tracking URI.
        artifacts: folder for artifacts of a new experiment; None leaves it to the server.
    """

    uri: str
    artifacts: Path | None

    @cached_property
    def client(self) -> mlflow.MlflowClient:
        """Client of the store; a new SQLite store gets its tables."""
        create_store(self.uri, self.artifacts)
        with warnings.catch_warnings():
            # MLflow maps its tables with options that SQLAlchemy 2.1 has deprecated.
            warnings.simplefilter("ignore", SADeprecationWarning)
            return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @cached_property
    def experiment_id(self) -> str:
        """The experiment, made when missing."""
        return self.experiment(EXPERIMENT)

    def experiment(self, name: str) -> str:
        """An experiment, made when missing, whose page shows its training runs first."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = self.artifacts.absolute().as_uri() if self.artifacts else None
        return str(self.client.create_experiment(name, artifact_location=location, tags=_KIND))

    def find(self, fingerprint: str) -> Logged | None:
        """The finished run of a fingerprint with its version, or None; unfinished runs are removed."""
        runs = self.client.search_runs(
            [self.experiment_id], f"tags.{FINGERPRINT_TAG} = '{fingerprint}' and tags.part = 'day'", max_results=10
        )
        done = None
        for run in runs:
            if run.info.status == "FINISHED":
                done = run
            else:
                self.client.delete_run(run.info.run_id)
        if done is None:
            return None
        held = self.version_of(fingerprint)
        if held is None and done.data.tags.get("has_model") == "yes":
            self.client.delete_run(done.info.run_id)
            return None
        return Logged(
            done.info.run_id,
            self.experiment_id,
            held.version if held else None,
            held.model_sha256 if held else None,
        )

    def version_of(self, fingerprint: str) -> Held | None:
        """The registered version of a fingerprint, or None."""
        found = self.client.search_model_versions(
            f"name = '{MODEL_NAME}' and tags.{FINGERPRINT_TAG} = '{fingerprint}'", max_results=5
        )
        return _held(min(found, key=lambda one: int(one.version))) if found else None

    def lineage(self, root: str) -> frozenset[str]:
        """Versions of one training: as it was fitted, and with each later calibrator."""
        named = (f"tags.{FINGERPRINT_TAG} = '{root}'", f"tags.{ROOT_TAG} = '{root}'")
        found = [
            self.client.search_model_versions(f"name = '{MODEL_NAME}' and {one}", max_results=200) for one in named
        ]
        return frozenset(str(one.version) for versions in found for one in versions)

    def log_day(self, day: DayRun, model: ResurrectionModel | None) -> Logged:
        """Log a training once: parent run, nested candidates, files, model and its registered version."""
        found = self.find(day.fingerprint)
        if found is not None:
            return found
        tags = {**day.tags, FINGERPRINT_TAG: day.fingerprint, "part": "day", _NOTE: day.note}
        tags |= {"mlflow.source.name": day.source, "mlflow.source.type": "JOB"}
        tags["has_model"] = "yes" if model is not None else "no"
        with self._active(), mlflow.start_run(experiment_id=self.experiment_id, run_name=day.name, tags=tags) as run:
            mlflow.log_params(dict(day.params))
            mlflow.log_metrics(dict(day.metrics), step=0)
            name, digest, place = day.dataset
            rows = Dataset(name=name, digest=digest[:16], source_type="duckdb", source=json.dumps({"table": place}))
            self.client.log_inputs(run.info.run_id, [DatasetInput(rows, [InputTag("mlflow.data.context", "training")])])
            for path, content in day.files.items():
                _log_bytes(path, content)
            for name, (params, metrics) in day.candidates.items():
                with mlflow.start_run(
                    experiment_id=self.experiment_id,
                    run_name=name,
                    nested=True,
                    tags={"part": "candidate", "mlflow.source.name": day.source},
                ):
                    mlflow.log_params(dict(params))
                    mlflow.log_metrics(dict(metrics), step=0)
            version = sha = None
            if model is not None:
                version, sha = self._register(day, model, run.info.run_id)
        return Logged(run.info.run_id, self.experiment_id, version, sha)

    def _register(self, day: DayRun, model: ResurrectionModel, run_id: str) -> tuple[str, str]:
        from importlib.metadata import version as installed

        import mlflow.pyfunc  # warns about its own type hints, which `_active` silences

        # The plain file is an artifact and our own loader reads it: no pickle is written, none is ever read.
        with tempfile.TemporaryDirectory() as place:
            sha = save_model(model, Path(place) / FILE_NAME)
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module=_LOADER,
                data_path=str(Path(place) / FILE_NAME),
                pip_requirements=[f"{name}=={installed(name)}" for name in _REQUIREMENTS],
                signature=_signature(model),
            )
        try:
            self.client.create_registered_model(MODEL_NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self.client.create_model_version(
            MODEL_NAME,
            source=logged.model_uri,
            run_id=run_id,
            tags={**day.version_tags, FINGERPRINT_TAG: day.fingerprint, SHA_TAG: sha},
            description=f"{day.summary}\n\n{day.note}",
        )
        return str(made.version), sha

    def model_bytes(self, version: str) -> bytes:
        """The file of a registered version.

        Raises:
            BadInputError: the version or its file does not exist.
        """
        try:
            return self._model_bytes(str(self.client.get_model_version(MODEL_NAME, version).source))
        except (MlflowException, OSError) as error:
            raise BadInputError(
                f"Version {version} of the model {MODEL_NAME} cannot be fetched.",
                where=self.uri,
                remedy="Restore var/mlflow from a copy, or run `recovery rollback`.",
            ) from error

    def _model_bytes(self, source: str) -> bytes:
        with self._active():
            folder = mlflow.artifacts.download_artifacts(artifact_uri=source)
        return (Path(folder) / "data" / FILE_NAME).read_bytes()

    def file_bytes(self, run_id: str, path: str) -> bytes | None:
        """One artifact of a run, or None."""
        try:
            with self._active():
                return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path)).read_bytes()
        except (MlflowException, OSError):
            return None

    def add_file(self, run_id: str, path: Path, folder: str) -> None:
        """Keep a file with a run."""
        self.client.log_artifact(run_id, str(path), folder)

    def alias(self, alias: str) -> Held | None:
        """The version that an alias names, or None."""
        try:
            return _held(self.client.get_model_version_by_alias(MODEL_NAME, alias))
        except MlflowException:
            return None

    def version(self, version: str) -> Held | None:
        """A registered version, or None."""
        try:
            return _held(self.client.get_model_version(MODEL_NAME, version))
        except MlflowException:
            return None

    def set_alias(self, alias: str, version: str | None) -> None:
        """Let an alias name a version, or nobody."""
        if version is not None:
            self.client.set_registered_model_alias(MODEL_NAME, alias, version)
        elif self.alias(alias) is not None:
            self.client.delete_registered_model_alias(MODEL_NAME, alias)

    def tag_version(self, version: str, tags: Mapping[str, str]) -> None:
        """Tag a registered version."""
        for name, value in tags.items():
            self.client.set_model_version_tag(MODEL_NAME, version, name, value)

    def anchor(self) -> tuple[float, int] | None:
        """Frozen anchor of the points and its version, or None before the first promotion."""
        try:
            tags = self.client.get_registered_model(MODEL_NAME).tags
        except MlflowException:
            return None
        return (float(tags[ANCHOR_TAG]), int(tags[ANCHOR_VERSION_TAG])) if ANCHOR_TAG in tags else None

    def freeze_anchor(self, anchor: float, *, version: int) -> None:
        """Store the anchor with the registered model."""
        self.client.set_registered_model_tag(MODEL_NAME, ANCHOR_TAG, repr(anchor))
        self.client.set_registered_model_tag(MODEL_NAME, ANCHOR_VERSION_TAG, str(version))

    def tell(self, *, run_id: str | None, run_name: str, paragraph: str, verdict: str) -> None:
        """Say at every place where someone looks which model is live and why."""
        self.client.set_experiment_tag(self.experiment_id, _NOTE, paragraph)
        if run_id is not None:
            self.client.set_tag(run_id, "mlflow.runName", run_name)
            self.client.set_tag(run_id, "verdict", verdict)
        try:
            self.client.update_registered_model(MODEL_NAME, description=paragraph)
        except MlflowException:
            return  # nothing is registered before the first model

    def describe(self, version: str, opening: str) -> None:
        """Put a sentence before the model card of a version, in place of the one before it."""
        held = self.client.get_model_version(MODEL_NAME, version)
        _, mark, card = (held.description or "").partition("\n\n# ")
        self.client.update_model_version(MODEL_NAME, version, f"{opening}{mark}{card}")

    def tag_run(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tag a run."""
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)

    @contextmanager
    def _active(self) -> Iterator[None]:
        """Point MLflow's fluent functions at this store, and back."""
        before, registry = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        try:
            with warnings.catch_warnings():
                # MLflow warns about type hints of its own wrappers.
                warnings.simplefilter("ignore")
                yield
        finally:
            mlflow.set_tracking_uri(before)
            mlflow.set_registry_uri(registry)


def _held(version: ModelVersion) -> Held:
    tags = dict(version.tags)
    return Held(str(version.version), tags[FINGERPRINT_TAG], tags[SHA_TAG], str(version.run_id), tags)


def _signature(model: ResurrectionModel) -> ModelSignature:
    kinds = {"category": DataType.string}
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(kinds.get(spec.kind, DataType.double), spec.name, required=False) for spec in model.features
    ]
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double)]))


def _log_bytes(path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / name).write_bytes(content)
        mlflow.log_artifact(str(Path(place) / name), folder or None)


__all__ = ["CHALLENGER", "CHAMPION", "MODEL_NAME", "PREVIOUS", "DayRun", "Held", "Logged", "Tracking"]
