"""Steps of a playbook over many days: in order, apart, limited, and in the arm that was drawn first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.words import Channel
from recovery.planning import PlanPolicy, load_playbooks
from tests.recovery.planning.test_plan import DAY, POLICY, facts, frame_of, inputs, no_facts, people, plan

NAMES = ["person_id", "as_of_date", "playbook", "step", "cycle", "arm"]
EVERYBODY = replace(POLICY, capacity={Channel.EMAIL: 100}, global_holdout=0.0, explore_share=0.0)


def earlier(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=NAMES)


def step_of(history: pd.DataFrame, *, days: int, policy: PlanPolicy = EVERYBODY, **person: Any) -> tuple[Any, Any, Any]:
    """Decision or reason, step and arm of the only person."""
    frame = people(1, **person)
    row = frame_of(plan(inputs(frame, assignments=history), replace(policy, as_of=DAY + timedelta(days=days)))).iloc[0]
    return row["decision"] if pd.isna(row["reason"]) else row["reason"], int(row["step"]), row["arm"]


FIRST = ("p00000", DAY, "b2b_starter", 1, 1, "contacted")
SECOND = ("p00000", DAY + timedelta(days=15), "b2b_starter", 2, 1, "contacted")
THIRD = ("p00000", DAY + timedelta(days=36), "b2b_starter", 3, 1, "contacted")


def test_the_shipped_playbooks_have_three_steps_with_words_of_their_own() -> None:
    for playbook in load_playbooks():
        assert len(playbook.steps) == len({step.template for step in playbook.steps}) == 3
        assert all(step.delay_days > 0 for step in playbook.steps[1:])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (1, ("recently_planned", 2)),
        (14, ("recently_planned", 2)),
        (15, ("contacted", 2)),
        (200, ("contacted", 2)),
    ],
)
def test_the_second_step_follows_gap_and_delay(days: int, expected: tuple[str, int]) -> None:
    assert step_of(earlier(FIRST), days=days)[:2] == expected


def test_a_delay_longer_than_the_gap_is_kept() -> None:
    history = earlier(FIRST, SECOND)
    assert step_of(history, days=15 + 20)[:2] == ("frequency_cap", 3)
    assert step_of(history, days=15 + 21)[:2] == ("contacted", 3)


def test_a_gap_longer_than_the_delay_is_kept() -> None:
    patient = replace(EVERYBODY, contact_gap_days=30)
    assert step_of(earlier(FIRST), days=30, policy=patient)[:2] == ("recently_planned", 2)
    assert step_of(earlier(FIRST), days=31, policy=patient)[:2] == ("contacted", 2)


@pytest.mark.parametrize(("touch_count", "history"), [(1, [FIRST]), (2, [FIRST, SECOND]), (5, [FIRST, SECOND, THIRD])])
def test_no_step_follows_the_last_one(touch_count: int, history: list[tuple[Any, ...]]) -> None:
    policy = replace(EVERYBODY, touch_count=touch_count)
    assert step_of(earlier(*history), days=300, policy=policy)[0] == "frequency_cap"
    assert step_of(earlier(*history), days=300, policy=policy, cycle=2)[:2] == ("contacted", 1)


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("arm", ["held_out", "contacted", "explored"])
def test_the_first_draw_stays_for_the_whole_spell(share: float, arm: str) -> None:
    policy = replace(EVERYBODY, batch_holdout=share)
    kept = step_of(earlier((*FIRST[:5], arm)), days=40, policy=policy)
    assert kept == (("held_out", 2, "held_out") if arm == "held_out" else ("contacted", 2, "contacted"))
    anew = step_of(earlier((*FIRST[:5], arm)), days=40, policy=policy, cycle=2)
    assert anew[0] == ("held_out" if share else "contacted")


def test_whoever_began_a_playbook_stays_in_it() -> None:
    frame = people(2, market="real_estate")
    rows = frame_of(plan(inputs(frame, assignments=earlier(FIRST)), replace(EVERYBODY, as_of=DAY + timedelta(days=40))))
    assert rows[["playbook", "step"]].to_numpy().tolist() == [["b2b_starter", 2], ["real_estate_starter", 1]]


def test_a_playbook_that_is_gone_still_counts_for_the_limit() -> None:
    gone = [("p00000", DAY + timedelta(days=20 * n), "retired", n + 1, 1, "contacted") for n in range(3)]
    assert step_of(earlier(gone[0]), days=30)[:2] == ("contacted", 1)
    assert step_of(earlier(*gone), days=300)[0] == "frequency_cap"


def test_halves_of_a_merged_person_share_their_steps() -> None:
    other = ("p00000", DAY + timedelta(days=25), "b2b_starter", 1, 1, "held_out")
    generous = replace(EVERYBODY, touch_count=5)
    assert step_of(earlier(FIRST, SECOND, other), days=60, policy=generous) == ("held_out", 3, "held_out")
    assert step_of(earlier(FIRST, SECOND, other), days=60)[0] == "frequency_cap"
    assert step_of(earlier(FIRST, SECOND, THIRD, other), days=90)[0] == "frequency_cap"


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_no_life_breaks_the_rules_of_steps(data: st.DataObject) -> None:
    """Never two steps within the gap, never above the limit, never out of order, never after a refusal, one arm."""
    count = data.draw(st.integers(1, 12))
    policy = replace(
        POLICY,
        capacity={Channel.EMAIL: data.draw(st.integers(1, 12))},
        contact_gap_days=data.draw(st.integers(1, 30)),
        touch_count=data.draw(st.integers(1, 5)),
        batch_holdout=0.3,
        explore_share=0.2,
    )
    refused_on = {f"p{n:05d}": data.draw(st.one_of(st.none(), st.integers(0, 90))) for n in range(count)}
    history, day = earlier(), 0
    while day < 110:
        day += data.draw(st.integers(3, 25))
        no = [p for p, since in refused_on.items() if since is not None and since <= day]
        refusals = [{"person_id": p, "channel": "email", "stance": "refused", "basis": "opt_out"} for p in no]
        frame = people(count, market=data.draw(st.sampled_from(["b2b", "real_estate"])), cycle=1 + day // 80)
        made = plan(
            inputs(frame, assignments=history, permissions=facts(*refusals) if refusals else no_facts()),
            replace(policy, as_of=DAY + timedelta(days=day)),
        )
        rows = frame_of(made)
        chosen = rows[rows["decision"] != "skipped"]
        assert not set(chosen["person_id"]) & set(no)
        history = pd.concat([history, chosen[NAMES]], ignore_index=True) if len(history) else chosen[NAMES]
    spells: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for row in history.itertuples():
        spells[row.person_id, row.cycle].append(row)
    for touches in spells.values():
        assert [touch.step for touch in touches] == list(range(1, len(touches) + 1))
        assert len(touches) <= min(policy.touch_count, 3)
        assert len({touch.playbook for touch in touches}) == 1
        assert len({touch.arm == "held_out" for touch in touches}) == 1
    dates = history.sort_values(["person_id", "as_of_date"]).groupby("person_id")["as_of_date"].apply(list)
    gaps = [(b - a).days for days in dates for a, b in pairwise(days)]
    assert all(gap > policy.contact_gap_days for gap in gaps)
