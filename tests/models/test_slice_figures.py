from __future__ import annotations

import json

import numpy as np
import pandas as pd

from models.evaluation.resampling import Interval
from models.evaluation.slices import SliceFigures, by_slice, dormancy_bands, slices_of


def test_a_slice_whose_promise_is_broken_is_found_and_small_ones_are_not_judged() -> None:
    rng = np.random.default_rng(2)
    crm = np.array(["hubspot"] * 4_000 + ["salesforce"] * 4_000 + [None] * 30, dtype=object)
    p = np.full(8_030, 0.1)
    y = rng.random(8_030) < np.where(crm == "salesforce", 0.2, 0.1)
    found = {one.value: one for one in by_slice(y=y, p=p, groups=np.arange(8_030), labels={"crm": crm}, seed=1)}
    assert list(found) == ["hubspot", "salesforce", "(unknown)"]
    assert found["hubspot"].holds
    assert not found["salesforce"].holds
    assert found["salesforce"].ratio is not None
    assert 1.8 < found["salesforce"].ratio.value < 2.2
    assert found["(unknown)"].ratio is None
    assert found["(unknown)"].holds


def test_rows_of_one_person_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(200), 20)
    y = np.repeat(rng.random(200) < 0.2, 20)
    figures = {"p": np.full(4_000, 0.2), "y": y, "labels": {"all": np.zeros(4_000)}, "seed": 1}
    alone = by_slice(groups=np.arange(4_000), **figures)[0].ratio
    together = by_slice(groups=person, **figures)[0].ratio
    assert alone is not None
    assert together is not None
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_dormancy_bands_end_on_their_last_day() -> None:
    assert list(dormancy_bands([30, 60, 61, 365, 366])) == [
        "up to 60 days", "up to 60 days", "61 to 90 days", "181 to 365 days", "over a year",
    ]  # fmt: skip


def test_people_are_cut_by_crm_channel_silence_and_tier_as_far_as_they_are_known() -> None:
    frame = pd.DataFrame(
        {"crm_system": ["hubspot", None], "lead_source_group": ["web", "event"], "days_since_last_inbound": [40, 400]}
    )
    found = slices_of(frame, np.array([0.4, 0.01]), anchor=0.05)
    assert {name: list(values) for name, values in found.items()} == {
        "CRM": ["hubspot", None],
        "channel": ["web", "event"],
        "silent": ["up to 60 days", "over a year"],
        "tier": ["high", "low"],
    }
    assert list(slices_of(frame[[]], np.array([0.4, 0.01]), anchor=0.05)) == ["tier"]


def test_a_slice_is_told_as_plain_values() -> None:
    judged = SliceFigures("tier", "high", 100, 12, 11.0, Interval(1.1, 0.9, 1.3), 0.01)
    told = judged.flat()
    assert (told["ratio"], told["ratio_high"], told["holds"]) == (1.1, 1.3, True)
    assert json.loads(json.dumps(told)) == told
    assert SliceFigures("tier", "low", 9, 0, 1.0, None, None).flat()["ratio"] is None
