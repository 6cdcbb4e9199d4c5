"""A model as one skops file: loading runs no code, and a file that differs from its registered hash is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import skops.io

from contracts.errors import BadInputError
from contracts.files import sha256_bytes, write_atomic
from models.scoring.model import ResurrectionModel

FILE_NAME: Final = "model.skops"
# The only types beyond numpy and scikit-learn's public estimators that a model file may name.
TRUSTED_TYPES: Final = (
    "models.scoring.model.ResurrectionModel",
    "models.training.fitted.BoosterText",
    "models.training.fitted.FittedRecipe",
    "models.training.fitted.Member",
    "models.training.table.TableCoder",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)


def model_bytes(model: ResurrectionModel) -> bytes:
    """The model in skops form.

    Raises:
        BadInputError: the model holds a type outside `TRUSTED_TYPES`.
    """
    data: bytes = skops.io.dumps(model)
    _refuse_foreign_types(data, where=FILE_NAME)
    return data


def save_model(model: ResurrectionModel, path: Path) -> str:
    """Write the model durably; returns the file's sha256."""
    data = model_bytes(model)
    write_atomic(path, data)
    return sha256_bytes(data)


def load_model(path: Path, *, sha256: str) -> ResurrectionModel:
    """Read a model whose hash is registered; nothing in the file is looked at before the hash agrees.

    Raises:
        BadInputError: missing, changed since registration, or naming types that are not trusted.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise BadInputError(
            "The model's file does not exist.",
            where=str(path),
            remedy="Run `recovery rollback`, or restore var/mlflow and var/models from a copy.",
        ) from error
    found = sha256_bytes(data)
    if found != sha256:
        raise BadInputError(
            f"The model's file was changed after it was registered (sha256 {found[:12]}, registered {sha256[:12]}).",
            where=str(path),
            remedy="Restore the file, or run `recovery rollback`.",
        )
    _refuse_foreign_types(data, where=str(path))
    model = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    if not isinstance(model, ResurrectionModel):
        raise BadInputError("The file holds no resurrection model.", where=str(path))
    return model


def _refuse_foreign_types(data: bytes, *, where: str) -> None:
    foreign = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
    if foreign:
        raise BadInputError(
            f"The model's file names types that are not trusted: {', '.join(foreign[:3])}.", where=where
        )
