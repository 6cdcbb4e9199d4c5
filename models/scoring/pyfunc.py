"""What MLflow calls to load a registered model: `mlflow.pyfunc.load_model`, or `spark_udf` with one double a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.calibration.calibrator import Floats
from models.scoring.files import read_bounded
from models.scoring.model import ResurrectionModel

if TYPE_CHECKING:
    import pandas as pd


class Predictor:
    """The model as MLflow wants it."""

    def __init__(self, model: ResurrectionModel) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Floats:
        """Calibrated p, shape (rows,)."""
        del params
        return self.model.p(frame)


def _load_pyfunc(path: str) -> Predictor:
    return Predictor(ResurrectionModel.from_bytes(read_bounded(Path(path)), where=path))
