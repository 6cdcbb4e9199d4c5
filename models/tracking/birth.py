"""The SQLite store of MLflow appears whole or not at all: its migrations are not one transaction."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

from filelock import FileLock
from sqlalchemy.exc import SADeprecationWarning

from contracts.files import fsync_path

_PREFIX: Final = "sqlite:///"


def create_store(uri: str, artifacts: Path | None) -> None:
    """Make the SQLite file of a store with all its tables, unless it is there; another kind of store is left alone.

    The tables are made in a file beside it that takes its place at the end, so a process that is killed on the way
    leaves nothing that the next one stumbles over.

    Args:
        uri: tracking URI.
        artifacts: folder for artifacts of MLflow's default experiment; None puts it beside the file.
    """
    if not uri.startswith(_PREFIX):
        return
    path = Path(uri.removeprefix(_PREFIX))
    if _is_there(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not _is_there(path):
            _make(path, artifacts or path.parent / "artifacts")


def _is_there(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _make(path: Path, artifacts: Path) -> None:
    making = path.with_name(f"{path.name}.making")
    for leftover in path.parent.glob(f"{making.name}*"):
        leftover.unlink()
    with warnings.catch_warnings():
        # MLflow maps its tables with options that SQLAlchemy 2.1 has deprecated.
        warnings.simplefilter("ignore", SADeprecationWarning)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(f"{_PREFIX}{making}", artifacts.absolute().as_uri()).engine.dispose()  # type: ignore[no-untyped-call]
    fsync_path(making)
    making.replace(path)
    fsync_path(path.parent)
