"""The batch evaluates what the declarations say, to the bit."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.feature_algebra import Activity, LeadHistory
from models.feature_batch import evaluate_leads, evaluate_table, table_of
from models.features import FEATURES, evaluate
from tests.models.test_features import ACTIVITIES, AS_OF, ATTRIBUTES, MIDNIGHT, OWN

LEADS = st.lists(
    st.builds(
        lambda own, colleagues, attributes, days: LeadHistory(tuple(own), tuple(colleagues), attributes, days),
        OWN | st.just(()),
        st.lists(ACTIVITIES, max_size=4),
        ATTRIBUTES,
        st.sampled_from([1, 30, 90]),
    ),
    max_size=5,
)


def same(one: Any, other: Any) -> bool:
    if one is None or isinstance(one, str):
        return one == other or (one is None and isinstance(other, float) and math.isnan(other))
    return float(one) == float(other)


@settings(max_examples=100, deadline=None)
@given(leads=LEADS)
def test_the_batch_gives_the_values_of_the_declarations(leads: list[LeadHistory]) -> None:
    columns = evaluate_leads(leads, AS_OF).columns()
    assert list(columns) == [spec.name for spec in FEATURES]
    for at, lead in enumerate(leads):
        for name, value in evaluate(lead, AS_OF).items():
            assert same(value, columns[name][at]), (name, value, columns[name][at])


def test_without_colleagues_their_counts_are_zero() -> None:
    moment = MIDNIGHT - timedelta(days=40)
    own = (Activity(moment, moment, "form", "inbound", "person", 2),)
    columns = evaluate_table(table_of([own]), [{}], AS_OF).columns()
    alone = evaluate(LeadHistory(own), AS_OF)
    assert all(same(value, columns[name][0]) for name, value in alone.items())


def test_no_lead_gives_empty_columns() -> None:
    columns = evaluate_leads([], AS_OF).columns()
    assert all(np.shape(values) == (0,) for values in columns.values())
