"""Columns that know the outcome are named; honest ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.assess.columns import type_columns
from models.assess.table import FlatTable
from models.leaks.columns import Suspect, suspect_columns
from tests.models.assess.tables import donors, emails, leads, purchases

RNG = np.random.default_rng(9)


def _suspects(frame: pd.DataFrame, y: np.ndarray, time: np.ndarray | None = None) -> dict[str, Suspect]:
    table = FlatTable(columns=frame, y=y, time=time, time_is_date=time is not None)
    typed = type_columns(table)
    found = suspect_columns(frame, typed.frame, typed.specs, y, seed=1, aged=time is not None)
    return {suspect.column: suspect for suspect in found}


def _leads(rows: int = 2_000) -> tuple[pd.DataFrame, np.ndarray]:
    frame = leads(rows)
    return frame.drop(columns="won"), (frame["won"] == "Yes").to_numpy()


@pytest.mark.parametrize("signal", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("base", [-4.0, -1.2, 0.0])
def test_an_honest_table_raises_none(signal: float, base: float) -> None:
    frame = leads(3_000, signal=signal, base=base, seed=int(10 * signal))
    assert not _suspects(frame.drop(columns="won"), (frame["won"] == "Yes").to_numpy())


def test_look_alikes_of_known_tables_raise_none() -> None:
    gifts, mails, baskets = donors(), emails(), purchases()
    assert not _suspects(gifts.drop(columns=["TARGET_B", "TARGET_D"]), gifts["TARGET_B"].to_numpy(dtype=bool))
    assert not _suspects(mails.drop(columns="visit"), mails["visit"].to_numpy(dtype=bool))
    assert not _suspects(baskets.drop(columns="buys"), baskets["buys"].to_numpy(dtype=bool))


def test_a_noisy_copy_of_the_outcome_predicts_too_well() -> None:
    frame, y = _leads()
    frame["copy"] = y + 0.2 * RNG.normal(size=y.size)
    frame["flipped"] = np.where(RNG.random(y.size) < 0.04, ~y, y).astype(float)
    found = _suspects(frame, y)
    assert {name: one.rule for name, one in found.items()} == dict.fromkeys(["copy", "flipped"], "predicts_too_well")


@pytest.mark.parametrize("rate", [-4.0, -1.2])
def test_a_column_filled_only_after_the_outcome_is_named(rate: float) -> None:
    frame = leads(4_000, base=rate)
    y = (frame.pop("won") == "Yes").to_numpy()
    frame["reason_won"] = np.where(y & (RNG.random(y.size) < 0.9), "price", None)
    frame["invoice"] = np.where(y, RNG.lognormal(5, 1, y.size), np.nan)
    frame["order_id"] = [f"O{i:05d}" if hit else None for i, hit in enumerate(y)]
    frame["lost_to"] = np.where(~y & (RNG.random(y.size) < 0.7), RNG.choice(["a", "b"], y.size), None)
    assert {"reason_won", "invoice", "order_id"} <= set(_suspects(frame, y))
    assert ("lost_to" in _suspects(frame, y)) == (rate > -2)


def test_values_that_decide_the_label_are_named() -> None:
    frame, y = _leads(4_000)
    kind = np.where(y, "hot", "cold").astype(object)
    muddle = RNG.random(y.size) < 0.75
    kind[muddle] = RNG.choice(["warm", "open"], int(muddle.sum()))
    frame["temper"] = kind
    found = _suspects(frame, y)
    assert found["temper"].rule == "values_decide_label"


def test_names_count_only_with_evidence() -> None:
    frame, y = _leads(4_000)
    tilt = np.where(y, RNG.random(y.size) < 0.6, RNG.random(y.size) < 0.2)
    frame["Last Notable Activity"] = np.where(tilt, "SMS Sent", "Modified")
    frame["lastModified"] = RNG.choice(["a", "b"], y.size)
    frame["honest"] = np.where(tilt, "x", "z")
    found = _suspects(frame, y)
    assert set(found) == {"Last Notable Activity"}
    assert found["Last Notable Activity"].rule == "written_later"


def test_a_date_after_the_rows_own_time_is_named() -> None:
    frame, y = _leads(2_000)
    days = np.full(y.size, 20_000.0)
    after = np.where(y, RNG.integers(1, 40, y.size), -RNG.integers(1, 400, y.size))
    mixed = np.where(RNG.random(y.size) < 0.6, after, -RNG.integers(1, 400, y.size))
    frame["closed"] = pd.to_datetime("2024-10-04") + pd.to_timedelta(mixed, unit="D")
    frame["born"] = pd.to_datetime("2024-10-04") - pd.to_timedelta(RNG.integers(1, 400, y.size), unit="D")
    assert set(_suspects(frame, y, days)) == {"closed"}


def test_x_education_names_what_sales_wrote_down(example_data) -> None:
    frame = pd.read_csv(example_data / "xeducation" / "Leads.csv")
    y = frame.pop("Converted").to_numpy(dtype=bool)
    assert {"Tags", "Lead Quality", "Last Notable Activity"} <= set(_suspects(frame, y))


def test_the_duration_of_the_sales_call_is_named(example_data) -> None:
    frame = pd.read_csv(example_data / "bank" / "bank-additional-full.csv", sep=";")
    y = (frame.pop("y") == "yes").to_numpy()
    assert set(_suspects(frame, y)) == {"duration"}
