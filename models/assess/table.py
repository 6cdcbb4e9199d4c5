"""The flat table as an assessment takes it: outcomes, roles and typed columns, each of shape (rows,)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FlatTable:
    """Rows with a known outcome, in the order of the file.

    Attributes:
        columns: candidate features as float64, datetime64 or text; roles are not among them.
        y: whether it happened.
        time: order of the rows, None without one.
        group: what must stay on one side (a duplicate, a person), None without one.
        cluster: what is resampled for intervals but may stand on both sides (a lead that is seen on many days).
        value: amount of each positive, None without one; NaN where it is not given.
        treatment: arm of each row as text, None without one.
        propensity: chance with which the row's own arm was drawn, None when it is not recorded.
        weight: how many rows of the population a row stands for, None when each stands for itself.
        is_test: held-out rows that the user named, None without them.
        time_is_date: `time` counts days, so that dates among the columns become ages.
        total_rows: rows with an outcome in the file; more than `len(y)` when a sample was taken.
        notes: what reading did, in words.
        dropped: columns that are not used -> why.
        unavailable: `profit` or `uplift` -> why it was asked for and cannot be had.
    """

    columns: pd.DataFrame
    y: Bools
    time: Floats | None = None
    group: NDArray[Any] | None = None
    cluster: NDArray[Any] | None = None
    value: Floats | None = None
    treatment: NDArray[Any] | None = None
    propensity: Floats | None = None
    weight: Floats | None = None
    is_test: Bools | None = None
    time_is_date: bool = False
    total_rows: int = 0
    notes: tuple[str, ...] = ()
    dropped: dict[str, str] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.y.size)

    @property
    def weights(self) -> Floats:
        """Weights, ones where none are given."""
        return np.ones(len(self)) if self.weight is None else self.weight

    @property
    def units(self) -> NDArray[Any]:
        """What is resampled: the cluster, else the group, else the row."""
        known = self.group if self.cluster is None else self.cluster
        return np.arange(len(self)) if known is None else known

    def take(self, rows: NDArray[Any], *, names: Sequence[str] | None = None) -> FlatTable:
        """Some rows, and some columns when named."""
        columns = self.columns if names is None else self.columns[list(names)]

        def some(whole: NDArray[Any] | None) -> Any:
            return None if whole is None else whole[rows]

        return replace(
            self,
            columns=columns.iloc[rows],
            y=self.y[rows],
            time=some(self.time),
            group=some(self.group),
            cluster=some(self.cluster),
            value=some(self.value),
            treatment=some(self.treatment),
            propensity=some(self.propensity),
            weight=some(self.weight),
            is_test=some(self.is_test),
        )
