"""Which value of a label means yes."""

from __future__ import annotations

import duckdb
import pytest

from contracts.errors import BadInputError
from models.assess.labels import read_label


def _read(counts: dict[str, int], *, blanks: int = 0, positive: str | None = None) -> tuple[str, ...]:
    return read_label(counts, blanks=blanks, positive=positive, column="won").positive


@pytest.mark.parametrize(
    ("counts", "positive"),
    [
        ({"0": 90, "1": 10}, ("1",)),
        ({"0.0": 90, "1.0": 10}, ("1.0",)),
        ({"no": 90, "yes": 10}, ("yes",)),
        ({"False": 90, "True": 10}, ("True",)),
        ({"N": 90, "Y": 10}, ("Y",)),
        ({"Nein": 90, "Ja": 10}, ("Ja",)),
        ({"Lost": 90, "Won": 10}, ("Won",)),
        ({"open": 90, "Converted": 10}, ("Converted",)),
        ({"-1": 90, "1": 10}, ("1",)),
    ],
)
def test_yes_and_no_are_known_in_words(counts: dict[str, int], positive: tuple[str, ...]) -> None:
    assert _read(counts) == positive


@pytest.mark.parametrize("counts", [{"1": 5, "2": 5}, {"a": 5, "b": 5}, {"0": 5, "1": 5, "7": 1}, {"3.5": 1, "0": 9}])
def test_an_open_question_is_asked(counts: dict[str, int]) -> None:
    with pytest.raises(BadInputError, match="not plain"):
        _read(counts)


def test_a_positive_may_be_named_or_compared() -> None:
    assert _read({"a": 5, "B": 5}, positive="b") == ("B",)
    assert _read({"1": 5, "2": 5}, positive="2.0") == ("2",)
    assert _read({"0": 5, "12.5": 5}, positive=">0") == (">0",)


@pytest.mark.parametrize(
    ("counts", "blanks", "positive", "told"),
    [
        ({}, 9, None, "empty"),
        ({"yes": 9}, 0, None, "one class"),
        ({"yes": 9}, 9, None, "blanks mean no"),
        ({"yes": 9}, 0, "yes", "one class"),
        ({"no": 9, "yes": 1}, 0, "won", "never says"),
        ({"no": 9, "yes": 1}, 0, ">0", "compares numbers"),
    ],
)
def test_a_label_that_says_nothing_is_refused(
    counts: dict[str, int], blanks: int, positive: str | None, told: str
) -> None:
    with pytest.raises(BadInputError, match=told):
        _read(counts, blanks=blanks, positive=positive)


def test_a_column_filled_only_where_it_happened_can_be_the_label() -> None:
    reading = read_label({"yes": 9}, blanks=20, positive="yes", column="won")
    assert reading.blanks_mean_no
    assert duckdb.sql(f"select {reading.sql('v')} from (values ('yes'), (null)) t(v)").fetchall() == [(True,), (False,)]


def test_sql_keeps_blanks_apart_and_quotes_values() -> None:
    reading = read_label({"it's": 3, "no": 9}, blanks=2, positive="it's", column="won")
    found = duckdb.sql(f"select {reading.sql('v')} from (values ('it''s'), ('no'), (null)) t(v)").fetchall()
    assert found == [(True,), (False,), (None,)]
    above = read_label({"0": 3, "5": 9}, blanks=0, positive=">0", column="gift")
    assert duckdb.sql(f"select {above.sql('v')} from (values ('5'), ('0')) t(v)").fetchall() == [(True,), (False,)]
