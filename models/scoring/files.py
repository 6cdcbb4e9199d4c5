"""A model as one plain file: loading runs no code, and a file that differs from its registered hash is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from contracts.errors import BadInputError
from contracts.files import sha256_bytes, write_atomic
from models.scoring.container import MOST_BYTES
from models.scoring.model import ResurrectionModel

FILE_NAME: Final = "model.bin"


def save_model(model: ResurrectionModel, path: Path) -> str:
    """Write the model durably; returns the file's sha256."""
    data = model.to_bytes()
    write_atomic(path, data)
    return sha256_bytes(data)


def load_model(path: Path, *, sha256: str, threads: int = 1) -> ResurrectionModel:
    """Read a model whose hash is registered; nothing in the file is looked at before the hash agrees.

    Raises:
        BadInputError: missing, too large, changed since registration, or not a model.
    """
    data = read_bounded(path)
    found = sha256_bytes(data)
    if found != sha256:
        raise BadInputError(
            f"The model's file was changed after it was registered (sha256 {found[:12]}, registered {sha256[:12]}).",
            where=str(path),
            remedy="Restore the file, or run `recovery rollback`.",
        )
    return ResurrectionModel.from_bytes(data, where=str(path), threads=threads)


def read_bounded(path: Path) -> bytes:
    """Bytes of a model's file.

    Raises:
        BadInputError: missing, or larger than any model.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BadInputError(
            "The model's file does not exist.",
            where=str(path),
            remedy="Run `recovery rollback`, or restore var/mlflow and var/models from a copy.",
        ) from error
    if len(data) > MOST_BYTES:
        raise BadInputError(
            f"The model's file is larger than {MOST_BYTES >> 20} MiB.", where=str(path), remedy="Restore the file."
        )
    return data
