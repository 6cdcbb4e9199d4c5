"""The law in memory, at numbers large enough to see its rates."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from simulation import WorldSettings
from simulation.history import History, simulate
from simulation.law import Treatments
from simulation.people import make_people
from simulation.settings import CHUNK

WORLD = WorldSettings()
MOMENT = (WORLD.epoch(WORLD.optimum_on) - WORLD.start_epoch) / (7 * 86_400)


def mails(who: np.ndarray, at: float) -> Treatments:
    n = len(who)
    return Treatments(who, np.full(n, at), np.ones(n), np.zeros(n), np.ones(n, dtype=bool))


@pytest.fixture(scope="module")
def pairs() -> list[tuple[History, History]]:
    """Chunks without and with an e-mail to every dormant person on the morning of the as-of date."""
    found = []
    for number in range(4):
        people = make_people(WORLD, number)
        plain = simulate(WORLD, people, moment=MOMENT)
        assert plain.truth is not None
        asleep = np.flatnonzero(plain.truth.dormant)
        found.append((plain, simulate(WORLD, people, moment=MOMENT, engine=mails(asleep, MOMENT + 0.001))))
    return found


def gathered(pairs: list[tuple[History, History]], name: str) -> tuple[np.ndarray, np.ndarray]:
    plain = [getattr(a.truth, name)[a.truth.dormant] for a, _ in pairs]
    mailed = [getattr(b.truth, name)[a.truth.dormant] for a, b in pairs]
    return np.concatenate(plain), np.concatenate(mailed)


def test_p_is_calibrated(pairs):
    p, _ = gathered(pairs, "p")
    reacted, _ = gathered(pairs, "reacted")
    for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 1.0)):
        inside = (p >= np.quantile(p, low)) & (p <= np.quantile(p, high))
        error = np.sqrt(np.mean(p[inside] * (1 - p[inside])) / inside.sum())
        assert abs(reacted[inside].mean() - p[inside].mean()) < 4 * error + 0.05 * p[inside].mean()


def test_contacts_cause_what_the_truth_says(pairs):
    p, _ = gathered(pairs, "p")
    p_treated, _ = gathered(pairs, "p_treated")
    plain, mailed = gathered(pairs, "reacted")
    kind = np.concatenate([a.people.effect_class[a.truth.dormant] for a, _ in pairs])
    gone = np.concatenate([a.people.dead_week[a.truth.dormant] <= MOMENT for a, _ in pairs])
    promised = np.where(gone, 0.0, p_treated - p)
    assert 0.005 <= (p_treated - p).mean() <= 0.015
    assert abs((mailed.mean() - plain.mean()) - promised.mean()) < 0.002
    assert mailed[kind == 1].mean() > plain[kind == 1].mean() * 1.15
    assert mailed[kind == 2].mean() < plain[kind == 2].mean() * 0.8
    assert 0.05 <= (p_treated < p).mean() <= 0.25


@settings(
    max_examples=1,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(at=119.5, seed=0)  # a week in which a past campaign ran as well
@given(at=st.floats(100, MOMENT - 1), seed=st.integers(0, 3))
def test_a_contact_never_changes_the_past(at: float, seed: int):
    people = make_people(WORLD, seed)
    treated = simulate(WORLD, people, moment=MOMENT, engine=mails(np.arange(0, CHUNK, 2), at))
    plain = simulate(WORLD, people, moment=MOMENT)
    week = np.arange(len(plain.react))[:, None]
    for name in ("react", "rep", "news", "campaign", "held_out"):
        before, after = getattr(plain, name), getattr(treated, name)
        early = np.where(week + before < at, before, np.nan), np.where(week + after < at, after, np.nan)
        np.testing.assert_array_equal(*early)
    assert not np.array_equal(plain.react, treated.react, equal_nan=True)


def test_the_horizon_of_a_history_changes_no_act():
    people = make_people(WORLD, 3)
    short = simulate(WORLD, people, moment=80, with_truth=False)
    long = simulate(WORLD, people, moment=100)
    for matrix in (f.name for f in fields(History) if f.name in ("react", "rep", "pages", "news", "clicks")):
        np.testing.assert_array_equal(getattr(short, matrix), getattr(long, matrix)[:80])


def test_people_of_an_account_influence_each_other():
    people = make_people(WORLD, 0)
    past = simulate(WORLD, people, moment=MOMENT, with_truth=False)
    acted = ~np.isnan(past.react)
    settled = np.arange(len(acted))[:, None] > np.ceil(people.created) + 8
    alone = make_people(WORLD, 0).local_account
    own = np.zeros(acted.shape, dtype=bool)
    for week in range(len(acted)):
        own[week] = np.bincount(alone, weights=acted[week])[alone] - acted[week] > 0
    after = np.roll(own, 1, axis=0)
    quiet = settled & ~np.roll(acted, 1, axis=0) & ~np.roll(acted, 2, axis=0)
    assert acted[quiet & after].mean() > 1.15 * acted[quiet & ~after].mean()


def test_behaviour_drifts_at_the_chosen_date():
    weeks = WORLD.week_of(WORLD.drift_on)
    still = WORLD.model_copy(update={"drift_size": 0.0})
    people = make_people(WORLD, 1)
    drifted, plain = (simulate(world, people, moment=MOMENT, with_truth=False) for world in (WORLD, still))
    np.testing.assert_array_equal(drifted.react[:weeks], plain.react[:weeks])
    paid = people.source == 1
    count = [(~np.isnan(past.react[weeks:, paid])).sum() for past in (drifted, plain)]
    assert count[0] < 0.9 * count[1]


def test_a_world_without_signal_has_one_p_for_everybody():
    world = WORLD.model_copy(update={"signal": 0.0, "contact_effect": 0.0})
    past = simulate(world, make_people(world, 0), moment=MOMENT)
    assert past.truth is not None
    assert np.ptp(past.truth.p[past.truth.dormant]) < 1e-3
