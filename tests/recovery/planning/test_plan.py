"""The plan: everybody has a decision, choices follow value and chance, and the same inputs give the same plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.words import Channel, SkipReason
from recovery.permission import load_rules
from recovery.planning import Plan, PlanInputs, PlanPolicy, load_playbooks, make_plan, smallest_visible_effect
from recovery.planning.identifiers import draws, half_year, quarter, touch_id
from recovery.planning.selection import Candidates, choose
from recovery.planning.value import DealStatistics, deal_statistics
from recovery.planning.waterfall import unlock_words

DAY = date(2026, 6, 1)
PLAYBOOKS, RULES = load_playbooks(), load_rules()
NO_DEALS = DealStatistics({}, None, None)
FACTS = ["person_id", "channel", "stance", "basis", "source", "evidence", "since", "expires_at", "collected_during",
         "optout_offered_at_collection"]  # fmt: skip
POLICY = PlanPolicy(
    as_of=DAY,
    release_at=datetime(2026, 6, 1, 5, tzinfo=UTC),
    capacity={Channel.EMAIL: 50, Channel.CALL: 5},
    cost={Channel.EMAIL: 0.002, Channel.CALL: 4.0},
)


def people(count: int, **changes: Any) -> pd.DataFrame:
    ids = [f"p{n:05d}" for n in range(count)]
    columns: dict[str, Any] = {
        "person_id": ids,
        "account_id": pd.array([None] * count, dtype="str"),
        "market": "b2b",
        "lead_kind": "lead",
        "country": "US",
        "has_country_conflict": False,
        "state": "NY",
        "time_zone": "America/New_York",
        "email": [f"{i}@x.example" for i in ids],
        "phone_e164": [f"+1{n:010d}" for n in range(count)],
        "has_email_opt_out_source": True,
        "has_phone_opt_out_source": True,
        "is_free_mail": False,
        "company_name": "Acme",
        "employee_count": 10,
        "dormant_days": 60,
        "last_inbound_at": pd.Timestamp("2026-04-01"),
        "open_amount": np.nan,
        "currency": "USD",
        "cycle": 1,
        **dict.fromkeys(("owner_id", "team_id"), None),
        **dict.fromkeys(("source", "crm", "record_object"), "hubspot"),
        "record_id": ids,
    }
    return pd.DataFrame(columns | changes)


def scores(frame: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    p = np.random.default_rng(seed).beta(2, 30, len(frame))
    return pd.DataFrame({"person_id": frame["person_id"], "p": p, "points": 50, "tier": "medium"})


def no_facts() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype="object") for name in FACTS})


def facts(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([dict.fromkeys(FACTS) | row for row in rows], columns=FACTS)


def no_assignments() -> pd.DataFrame:
    return pd.DataFrame({n: [] for n in ("person_id", "as_of_date", "playbook", "step", "cycle", "arm")})


def inputs(frame: pd.DataFrame, **more: Any) -> PlanInputs:
    values: dict[str, Any] = {
        "people": frame,
        "scores": scores(frame),
        "permissions": no_facts(),
        "assignments": no_assignments(),
        "deals": NO_DEALS,
    }
    return PlanInputs(**(values | more))


def plan(given_: PlanInputs, policy: PlanPolicy = POLICY) -> Plan:
    return make_plan(given_, policy, playbooks=PLAYBOOKS, rules=RULES)


def frame_of(made: Plan) -> pd.DataFrame:
    return made.table.to_pandas()


def test_numbers_add_up_and_capacity_holds() -> None:
    made = plan(inputs(people(1000)))
    rows = frame_of(made)
    counts = Counter(rows["decision"])
    assert counts["contacted"] + counts["held_out"] == 50
    assert made.facts["planned"] + made.facts["held_out"] + sum(made.facts["skipped"].values()) == 1000
    assert rows["rank"].dropna().is_unique
    assert len(rows["rank"].dropna()) == 1000
    assert made.facts["power"]["controls"] == counts["held_out"]


def test_the_best_are_chosen_and_a_share_at_random() -> None:
    rows = frame_of(plan(inputs(people(1000)), replace(POLICY, batch_holdout=0.0, global_holdout=0.0)))
    chosen = rows[rows["decision"] == "contacted"]
    assert Counter(chosen["arm"]) == {"contacted": 47, "explored": 3}
    assert set(chosen.loc[chosen["arm"] == "contacted", "rank"]) == set(range(1, 48))
    assert (chosen.loc[chosen["arm"] == "explored", "rank"] > 47).all()
    assert (chosen.loc[chosen["arm"] == "contacted", "propensity"] == 1.0).all()
    assert chosen.loc[chosen["arm"] == "explored", "propensity"].to_list() == pytest.approx([3 / 953] * 3)


def test_logged_propensities_are_the_frequencies_of_many_draws() -> None:
    """Over many draws each person is chosen as often as the log says."""
    rng = np.random.default_rng(3)
    value = np.linspace(0.9, 0.1, 30)
    account = np.arange(30) // 5
    trials, hits, logged = 4000, np.zeros(30), np.zeros(30)
    for _ in range(trials):
        candidates = Candidates({Channel.EMAIL: value}, {}, account, rng.random(30))
        chosen = choose(candidates, capacity={Channel.EMAIL: 10}, account_cap=3, explore_share=0.4)
        hits += chosen.channel >= 0
        logged += chosen.probability
        assert np.bincount(account[chosen.channel >= 0]).max() <= 3
    expected = logged / trials
    spread = np.sqrt(np.maximum(expected * (1 - expected), 1e-9) / trials)
    assert (np.abs(hits / trials - expected) <= 4 * spread + 1e-9).all()
    assert hits.sum() == trials * 10
    assert set(np.round(expected, 6)) >= {1.0}


def test_accounts_share_a_cap_and_an_arm() -> None:
    frame = people(600, account_id=[f"a{n // 6}" for n in range(600)])
    rows = frame_of(plan(inputs(frame), replace(POLICY, batch_holdout=0.5, capacity={Channel.EMAIL: 120})))
    chosen = rows[rows["decision"] != "skipped"]
    assert chosen.groupby("account_id").size().max() == 2
    assert chosen.groupby("account_id")["decision"].nunique().max() == 1
    assert (rows["reason"] == "account_cap").sum() > 0


def test_holdouts_have_their_share_and_stay_for_their_time() -> None:
    frame = people(5000)
    policy = replace(POLICY, capacity={Channel.EMAIL: 4000})
    rows = frame_of(plan(inputs(frame), policy))
    outside = rows[rows["reason"] == "global_holdout"]
    assert 0.04 < len(outside) / 5000 < 0.06
    assert 0.08 < (rows["decision"] == "held_out").sum() / 4000 < 0.12
    later = frame_of(plan(inputs(frame), replace(policy, as_of=DAY + timedelta(days=20))))
    assert set(later.loc[later["reason"] == "global_holdout", "person_id"]) == set(outside["person_id"])
    anew = frame_of(plan(inputs(frame), replace(policy, as_of=date(2026, 7, 1))))
    both = set(anew.loc[anew["reason"] == "global_holdout", "person_id"]) & set(outside["person_id"])
    assert len(both) < 40


def test_calls_go_to_people_without_mail() -> None:
    frame = people(100)
    frame.loc[frame.index >= 90, "email"] = None
    asked = [{"person_id": p, "channel": "all", "stance": "allowed", "basis": "inquiry",
              "since": pd.Timestamp("2026-05-01")} for p in frame["person_id"]]  # fmt: skip
    made = plan(inputs(frame, permissions=facts(*asked)), replace(POLICY, global_holdout=0.0, batch_holdout=0.0))
    rows = frame_of(made)
    called = rows[rows["channel"] == "call"]
    assert len(called) == 5
    assert made.facts["by_channel"] == {"call": 5, "email": 50}
    assert (rows.loc[rows["channel"].notna(), "not_before"] < rows.loc[rows["channel"].notna(), "expires_at"]).all()


def test_a_ground_that_ends_inside_the_window_ends_the_touch() -> None:
    frame = people(1, country="CA")
    consent = {"person_id": "p00000", "channel": "email", "stance": "allowed", "basis": "express_consent",
               "since": pd.Timestamp("2025-01-01"), "expires_at": pd.Timestamp("2026-06-02")}  # fmt: skip
    policy = replace(POLICY, global_holdout=0.0, release_at=datetime(2026, 6, 1, 22, tzinfo=UTC))
    assert plan(inputs(frame, permissions=facts(consent)), policy).facts["skipped"] == {"basis_expired": 1}


def test_money_is_spoken_of_only_where_deals_allow_it() -> None:
    amounts = pd.DataFrame({"segment": ["b2b/lead"] * 40, "amount": np.arange(1, 41) * 100.0})
    deals = deal_statistics(amounts, reactivated=99, won=10)
    assert deals.win_rate == pytest.approx(0.105)
    assert deals.overall == 2050
    frame = people(10, open_amount=[0.0, 1e6, *[np.nan] * 8])
    policy = replace(POLICY, global_holdout=0.0, batch_holdout=0.0)
    rows = frame_of(plan(inputs(frame, deals=deals), policy))
    assert Counter(rows["value_basis"]) == {"segment_median": 9, "own_amount": 1}
    assert rows.loc[1, "rank"] == 1
    expected = 0.15 * rows["p"] * 0.105 * 0.3 * np.where(rows.index == 1, 1e6, 2050) - 0.002
    assert rows["value"].to_list() == pytest.approx(expected.to_list())
    poor = replace(policy, cost={Channel.EMAIL: 1e6, Channel.CALL: 1e6})
    assert plan(inputs(frame, deals=deals), poor).facts["skipped"] == {"not_worth_it": 10}
    without = plan(inputs(frame), policy)
    assert without.facts["expected_unit"] == "reactivations"
    assert "not incremental" in without.facts["value_basis_words"]
    assert deal_statistics(amounts.head(29), reactivated=99, won=10).speaks_of_money is False


def test_playbooks_follow_the_market() -> None:
    frame = people(3, market=["b2b", "real_estate", None])
    assert frame_of(plan(inputs(frame)))["playbook"].to_list() == [
        "b2b_starter", "real_estate_starter", "b2b_starter"
    ]  # fmt: skip


def test_holds_skip_everybody_but_leave_the_better_reason() -> None:
    frame = people(10)
    frame.loc[0, "country"] = None
    made = plan(inputs(frame), replace(POLICY, holds=(SkipReason.SOURCE_SILENT, SkipReason.SEVERE_DRIFT)))
    assert made.facts["skipped"] == {"country_unknown": 1, "source_silent": 9}
    assert [hold["reason"] for hold in made.facts["holds"]] == ["source_silent", "severe_drift"]
    assert made.facts["contactable"] == 9


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_mixture_adds_up_and_never_contacts_a_refusal(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 25))
    pick = lambda values: [data.draw(st.sampled_from(values)) for _ in range(count)]  # noqa: E731
    frame = people(
        count,
        country=pd.array(pick(["US", "DE", "CA", None]), dtype="str"),
        time_zone=pd.array(pick(["America/New_York", "bad", None]), dtype="str"),
        has_email_opt_out_source=pick([True, False]),
        dormant_days=pick([30, 400]),
        account_id=pd.array(pick(["a", "b", None]), dtype="str"),
    )
    no = data.draw(st.lists(st.sampled_from(frame["person_id"].to_list()), max_size=8)) if count else []
    rows = [{"person_id": p, "channel": "email", "stance": "refused", "basis": "opt_out"} for p in no]
    given_ = inputs(frame, permissions=facts(*rows) if rows else no_facts())
    made = plan(given_, replace(POLICY, capacity={Channel.EMAIL: 4, Channel.CALL: 1}))
    assert made.facts["planned"] + made.facts["held_out"] + sum(made.facts["skipped"].values()) == count
    table = made.table.to_pylist()
    assert all((row["reason"] is None) == (row["decision"] != "skipped") for row in table)
    assert not any(row["person_id"] in no and row["channel"] == "email" for row in table)
    shuffled = given_.people.sample(frac=1, random_state=1)
    again = plan(replace(given_, people=shuffled), replace(POLICY, capacity={Channel.EMAIL: 4, Channel.CALL: 1}))
    assert again.table.equals(made.table)


def test_fifty_thousand_people_are_planned_in_seconds() -> None:
    frame = people(50_000, country=["US", "CA", "DE", "GB", "FR"] * 10_000)
    made = plan(inputs(frame), replace(POLICY, capacity={Channel.EMAIL: 10_000, Channel.CALL: 100}))
    assert made.facts["dormant"] == 50_000


def test_power_falls_with_more_controls() -> None:
    few = smallest_visible_effect(0.05, contacted=450, controls=50)
    many = smallest_visible_effect(0.05, contacted=4500, controls=500)
    assert few is not None
    assert many is not None
    assert few == pytest.approx(many * np.sqrt(10))
    assert few == pytest.approx(0.0910, abs=1e-3)
    assert smallest_visible_effect(0.05, contacted=450, controls=0) is None


def test_draws_are_even_and_fixed() -> None:
    units = [f"u{n}" for n in range(20_000)]
    drawn = draws(units, "salt")
    assert abs(drawn.mean() - 0.5) < 0.01
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert draws(["u1"], "salt")[0] == drawn[1] != draws(["u1"], "other")[0]
    assert (half_year(date(2026, 6, 30)), half_year(date(2026, 7, 1))) == ("2026H1", "2026H2")
    assert (quarter(date(2026, 3, 31)), quarter(date(2026, 12, 1))) == ("2026Q1", "2026Q4")
    assert touch_id("p", "b", 1, 1) == touch_id("p", "b", 1, 1) != touch_id("p", "b", 1, 2)


def test_the_waterfall_says_what_to_do_here() -> None:
    frame = people(90, source="hubspot_main")
    frame.loc[frame.index < 40, "country"] = None
    frame.loc[frame.index < 10, "source"] = "crm_two"
    frame.loc[(frame.index >= 40) & (frame.index < 60), "country"] = "DE"
    limits = replace(POLICY, capacity={Channel.EMAIL: 5}, global_holdout=0.0, account_cap=3)
    made = plan(inputs(frame), limits)
    found = {row["reason"]: row for row in made.facts["waterfall"]}
    assert found["country_unknown"]["sentence"] == (
        "40: country missing; declare it per source (`declaration.country` in sources.yml), or export the country "
        "column. By source: hubspot_main 30, crm_two 10."
    )
    assert found["consent_required"]["unlock"].endswith("in a permissions file. By country: DE 20.")
    assert found["capacity"]["unlock"] == "Raise RECOVERY_CAPACITY_EMAIL (now 5) or wait for a later day."
    assert [row["people"] for row in made.facts["waterfall"]] == [40, 25, 20]
    for reason in SkipReason:
        assert unlock_words(reason, limits)[-1] == "."


def test_recently_planned_is_an_earlier_day_within_the_gap() -> None:
    frame = people(1)
    for age, expected in [(1, "recently_planned"), (14, "recently_planned"), (15, None)]:
        row = ("p00000", DAY - timedelta(days=age), "b2b_starter", 1, 1, "contacted")
        earlier = pd.DataFrame([row], columns=no_assignments().columns)
        reason = (
            plan(inputs(frame, assignments=earlier), replace(POLICY, global_holdout=0.0)).table["reason"][0].as_py()
        )
        assert reason == expected
