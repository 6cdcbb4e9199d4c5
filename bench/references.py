"""What our candidates are held against: plain scikit-learn with default settings, and the public tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from contracts.errors import BadInputError
from models.features import FeatureSpec

# Columns of the X Education export that are filled in after the outcome is known.
_AFTERWARDS: Final = (
    "Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity", "Asymmetrique Activity Index",
    "Asymmetrique Profile Index", "Asymmetrique Activity Score", "Asymmetrique Profile Score",
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A flat table: features, outcome, group of each row (exact duplicates share one), and its order in time."""

    frame: pd.DataFrame
    y: NDArray[np.bool_]
    groups: NDArray[Any]
    order: NDArray[Any]
    features: tuple[FeatureSpec, ...]

    def rows(self, rows: NDArray[np.intp]) -> Table:
        """Some rows of the table."""
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return Table(frame, self.y[rows], self.groups[rows], self.order[rows], self.features)


def xeducation(data: Path) -> Table:
    """X Education without what is filled in afterwards; ordered by Lead Number.

    Raises:
        BadInputError: the table is not there.
    """
    frame = _read(data / "xeducation" / "Leads.csv", sep=",")
    frame = frame.loc[:, [name for name in frame.columns if not name.startswith("Unnamed")]]
    y, order = frame["Converted"].to_numpy(dtype=bool), frame["Lead Number"].to_numpy()
    frame = frame.drop(columns=["Converted", "Lead Number", "Prospect ID", *_AFTERWARDS]).replace("Select", np.nan)
    frame = frame.loc[:, frame.nunique() > 1]
    return Table(frame, y, pd.util.hash_pandas_object(frame, index=False).to_numpy(), order, specs_of(frame))


def bank(data: Path) -> Table:
    """Bank calls without `duration`, in file order, each row a group of its own.

    Raises:
        BadInputError: the table is not there.
    """
    frame = _read(data / "bank" / "bank-additional-full.csv", sep=";")
    y, place = (frame["y"] == "yes").to_numpy(dtype=bool), np.arange(len(frame))
    frame = frame.drop(columns=["y", "duration"])
    return Table(frame, y, place, place, specs_of(frame))


def specs_of(frame: pd.DataFrame) -> tuple[FeatureSpec, ...]:
    """Numbers as numbers, everything else as categories."""
    return tuple(
        FeatureSpec(name, "number" if pd.api.types.is_numeric_dtype(frame[name]) else "category", "stage", "", "")
        for name in frame.columns
    )


def references(features: Sequence[FeatureSpec]) -> dict[str, Pipeline]:
    """Unfitted plain logistic regression and plain boosted trees."""
    numbers = [spec.name for spec in features if spec.kind == "number"]
    texts = [spec.name for spec in features if spec.kind != "number"]
    straight = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore", min_frequency=10), texts),
        ]
    )
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    trees = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", codes, texts)])
    return {
        "logistic regression": make_pipeline(straight, LogisticRegression(max_iter=1_000)),
        "boosting": make_pipeline(trees, HistGradientBoostingClassifier(random_state=0)),
    }


def _read(path: Path, *, sep: str) -> pd.DataFrame:
    if not path.exists():
        raise BadInputError(
            "A public table is not there.",
            where=str(path),
            remedy="Get it from its publisher and set RECOVERY_EXAMPLE_DATA to its folder.",
        )
    return pd.read_csv(path, sep=sep)
