"""The torture of permission at a hundredth, and that its oracle sees what it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from bench import torture_permission
from bench.torture_permission import Tally, judge, lives, tally_of
from recovery.permission import Decision, Fact, Stance, Status, decide
from recovery.permission.history import Statement, standing


def test_no_send_after_an_opt_out_or_outside_the_rules_in_ten_thousand_histories() -> None:
    tally = tally_of(10_000)
    assert tally.histories == 10_000
    assert tally.sends > 500  # the question is not trivially answered with no
    wrong = (tally.after_opt_out, tally.outside_hours, tally.without_ground, tally.order_matters, tally.loosened)
    assert wrong == (0, 0, 0, 0, 0)


def test_the_histories_hold_what_they_promise() -> None:
    some = list(lives(2_000))
    statements = [s for life in some for half in life.halves for s in half]
    assert {s.basis for s in statements if s.stance is Stance.REFUSED} == {
        "opt_out", "objection", "complaint", "do_not_contact", "hard_bounce",
    }  # fmt: skip
    assert any(s.recorded_at > (s.since or s.recorded_at) for s in statements)  # recorded late
    assert any(s.stance is Stance.ALLOWED and not s.is_lead_originated for s in statements)  # imports
    assert {len(life.halves) for life in some} == {1, 2, 3}
    assert list(lives(50)) == some[:50]


STANDING, DECIDE = standing, decide


def _without_refusals(statements: Iterable[Statement]) -> frozenset[Fact]:
    return frozenset(fact for fact in STANDING(statements) if fact.stance is not Stance.REFUSED)


def _gullible(statements: Iterable[Statement]) -> frozenset[Fact]:
    """As if an import were the person's own word."""
    return STANDING(replace(statement, is_lead_originated=True) for statement in statements)


def _always_open(*arguments: Any) -> Decision:
    found = DECIDE(*arguments)
    return replace(found, status=Status.ALLOWED) if found.status is Status.DEFERRED else found


@pytest.mark.parametrize(
    ("name", "broken", "counted"),
    [
        ("standing", _without_refusals, "after_opt_out"),
        ("standing", _gullible, "after_opt_out"),
        ("decide", _always_open, "outside_hours"),
    ],
)
def test_without_a_guard_the_oracle_counts_wrong_sends(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: Callable[..., Any], counted: str
) -> None:
    monkeypatch.setattr(torture_permission, name, broken)
    tally = Tally()
    for life in lives(2_000):
        judge(life, tally)
    assert getattr(tally, counted) > 0


def test_the_moment_asked_about_is_inside_the_year() -> None:
    assert all(datetime(2026, 1, 1) <= life.asked_at < datetime(2027, 1, 1) for life in lives(200))
