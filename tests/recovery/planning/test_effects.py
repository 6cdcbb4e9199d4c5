"""The plan uses measured differences where contact was drawn at random, and a cautious constant elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.words import Channel
from recovery.planning.effects import Differences, differences, effect_words

PEOPLE = pd.Series(["a", "b", "c"])
P = np.array([0.1, 0.2, 0.3])


def _effects(*rows: tuple[str, str, float, float, bool, bool]) -> pd.DataFrame:
    columns = ["person_id", "channel", "p_no_contact", "p_contact", "is_harmed", "is_retest"]
    return pd.DataFrame(list(rows), columns=columns)


def _found(effects: pd.DataFrame | None, *, compare: bool = False) -> Differences:
    return differences(effects, PEOPLE, (Channel.EMAIL, Channel.SMS), P, cautious_uplift=0.15, compare_channels=compare)


def test_without_evidence_everybody_gets_the_constant_share() -> None:
    found = _found(None)
    assert found.by_channel[Channel.EMAIL] == pytest.approx(0.15 * P)
    assert not found.is_measured.any()
    assert "not incremental" in effect_words(found)


def test_a_measured_difference_replaces_the_constant_for_whom_it_is_known() -> None:
    found = _found(_effects(("a", "email", 0.05, 0.09, False, False)))
    assert found.by_channel[Channel.EMAIL] == pytest.approx([0.04, 0.03, 0.045])
    assert found.is_measured.tolist() == [True, False, False]
    assert "drawn at random" in effect_words(found)


def test_a_channel_that_was_not_drawn_is_not_compared() -> None:
    found = _found(_effects(("a", "email", 0.05, 0.09, False, False)), compare=True)
    assert found.by_channel[Channel.SMS][0] == found.by_channel[Channel.EMAIL][0]


@pytest.mark.parametrize(("compare", "want"), [(True, [0.04, 0.02]), (False, [0.03, 0.03])])
def test_channels_differ_only_where_they_were_drawn_against_each_other(compare: bool, want: list[float]) -> None:
    effects = _effects(("a", "email", 0.05, 0.09, False, False), ("a", "sms", 0.05, 0.07, False, False))
    found = _found(effects, compare=compare)
    assert [found.by_channel[c][0] for c in (Channel.EMAIL, Channel.SMS)] == pytest.approx(want)


def test_a_harmed_group_is_left_alone_but_for_the_re_test() -> None:
    effects = _effects(("a", "email", 0.05, 0.06, True, False), ("b", "email", 0.09, 0.05, True, True))
    found = _found(effects)
    assert found.by_channel[Channel.EMAIL][0] == 0.0
    assert found.is_left_alone.tolist() == [True, False, False]
    assert found.by_channel[Channel.EMAIL][1] == pytest.approx(0.15 * 0.2)


@given(change=st.floats(-0.05, 0.2), harmed=st.booleans())
def test_nobody_of_a_harmed_group_has_a_positive_value(change: float, harmed: bool) -> None:
    found = _found(_effects(("a", "email", 0.1, 0.1 + change, harmed, False)))
    for one in found.by_channel.values():
        assert one[0] <= 0.0 if harmed else one[0] == pytest.approx(change)
