"""Best hours: rates per touch, not counts; shrunk from person to segment to everyone."""

from __future__ import annotations

import numpy as np

from models.timing.hours import BINS, Exposures, HourBasis, answer_rates, best_hours
from models.timing.shrink import NO_DIFFERENCE, shrunk, strength

_BASES = list(HourBasis)


def _exposures(
    rate: np.ndarray, *, people: int, per_cell: int, seed: int, hours: np.ndarray | None = None
) -> Exposures:
    """Every person is touched in some bins; `rate` is the chance of an answer by person and bin."""
    rng = np.random.default_rng(seed)
    bins = np.arange(BINS) if hours is None else hours
    person, bin_ = (one.ravel() for one in np.meshgrid(np.arange(people), bins, indexing="ij"))
    touches = np.full(person.size, float(per_cell))
    return Exposures(person, bin_, touches, rng.binomial(per_cell, rate[person, bin_]).astype(float))


def test_the_best_hour_is_a_rate_and_not_a_count() -> None:
    rate = np.full((300, BINS), 0.05)
    rate[:, 34] = 0.30  # Tuesday 10:00, rarely used
    made = _exposures(rate, people=300, per_cell=1, seed=1)
    crowded = np.where(made.bin == 9, 40.0, made.touches)  # Monday 09:00 has forty times the touches
    many = np.random.default_rng(2).binomial(crowded.astype(int), rate[made.person, made.bin]).astype(float)
    answers = np.where(made.bin == 9, many, made.answers)
    assert answers[made.bin == 9].sum() > answers[made.bin == 34].sum()
    found = best_hours(Exposures(made.person, made.bin, crowded, answers), np.zeros(300, np.int64), people=300)
    assert set(found.bin.tolist()) == {34}
    assert set(found.by_weekday[:, 1].tolist()) == {10}
    assert 2 * 0.05 < found.rate[0] <= 0.35


def test_without_differences_there_is_no_best_hour() -> None:
    alone, flat = np.zeros(200, np.int64), np.full((200, BINS), 0.05)
    found = [best_hours(_exposures(flat, people=200, per_cell=1, seed=s), alone, people=200) for s in range(20)]
    silent = sum(bool((one.bin >= 0).any()) for one in found)
    assert silent <= 4


def test_segments_with_their_own_hour_get_it() -> None:
    rate = np.full((400, BINS), 0.04)
    rate[:200, 40], rate[200:, 60] = 0.4, 0.4
    segment = (np.arange(400) >= 200).astype(np.int64)
    found = best_hours(_exposures(rate, people=400, per_cell=1, seed=3), segment, people=400)
    assert set(found.bin[:200].tolist()) == {40}
    assert set(found.bin[200:].tolist()) == {60}
    assert {_BASES[index] for index in found.basis.tolist()} == {HourBasis.SEGMENT}


def test_a_person_with_many_answers_gets_their_own_hour_and_the_rest_fall_back() -> None:
    rate = np.full((50, BINS), 0.05)
    rate[np.arange(50), np.arange(50) + 20] = 0.9
    found = best_hours(_exposures(rate, people=60 - 10, per_cell=12, seed=4), np.zeros(50, np.int64), people=50)
    own = found.basis == _BASES.index(HourBasis.PERSON)
    assert own.mean() > 0.9
    assert (found.bin[own] == np.arange(50)[own] + 20).mean() > 0.95


def test_nobody_touched_means_no_hour() -> None:
    none = np.zeros(0)
    found = best_hours(
        Exposures(none.astype(np.int64), none.astype(np.int64), none, none), np.zeros(3, np.int64), people=3
    )
    assert found.bin.tolist() == [-1, -1, -1]
    assert np.isnan(found.rate).all()


def test_answer_rates_are_drawn_to_the_segment() -> None:
    rng = np.random.default_rng(5)
    people, segment = 2_000, (np.arange(2_000) % 2).astype(np.int64)
    true = np.where(segment == 0, 0.1, 0.4)
    answers = rng.binomial(3, true).astype(float)
    found = answer_rates(np.arange(people), np.full(people, 3.0), answers, segment, people=people)
    assert abs(found[segment == 0].mean() - 0.1) < 0.02
    assert np.abs(found - true).mean() < np.abs(answers / 3 - true).mean() / 3
    assert np.isnan(answer_rates(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), segment, people=people)).all()


def test_strength_finds_the_spread_between_cells() -> None:
    rng = np.random.default_rng(6)
    rate = rng.beta(20, 180, size=3_000)  # a beta worth 200 tries
    tries = np.full(3_000, 100.0)
    hits = rng.binomial(100, rate).astype(float)
    prior = np.full(3_000, hits.sum() / tries.sum())
    assert 150 < strength(hits, tries, prior) < 260
    alike = rng.binomial(100, 0.1, size=3_000).astype(float)
    assert strength(alike, tries, np.full(3_000, 0.1)) == NO_DIFFERENCE
    assert shrunk(hits, tries, prior, NO_DIFFERENCE).tolist() == prior.tolist()
