"""Best hour as a rate per touch: 168 hours of the recipient's week, drawn from person to segment to everyone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calibration.calibrator import Floats
from models.timing.shrink import error, shrunk, strength

Ints = NDArray[np.int64]
BINS: Final = 168
DAYS: Final = 7
LEAST_TOUCHES: Final = 200
_SURE: Final = 1.64  # one-sided 95 %


class HourBasis(StrEnum):
    """What an hour rests on, the nearest first."""

    PERSON = "person"
    SEGMENT = "segment"
    EVERYONE = "everyone"
    NONE = "none"


REASONS: Final = {
    HourBasis.PERSON: "this person's own answers",
    HourBasis.SEGMENT: "too few touches of this person; people of the same market and kind",
    HourBasis.EVERYONE: "too few touches of this segment; everybody",
    HourBasis.NONE: "no hour is surely better than the others",
}


@dataclass(frozen=True)
class Exposures:
    """Touches and answers by person and hour of the week, one row per pair that has a touch.

    Attributes:
        person: position of the person, 0..people-1.
        bin: 24 x weekday + hour on the recipient's clock, Monday is 0.
        touches, answers: how many, and how many of them were answered.
    """

    person: Ints
    bin: Ints
    touches: Floats
    answers: Floats


@dataclass(frozen=True)
class BestHours:
    """Best hour of each person, shape (people,).

    Attributes:
        bin: best hour of the week, -1 where there is none.
        rate: answers per touch expected in it; NaN where there is none.
        basis: index into `HourBasis`.
        by_weekday: surely good hour on each weekday, -1 where there is none, shape (people, 7).
    """

    bin: Ints
    rate: Floats
    basis: Ints
    by_weekday: NDArray[np.int8]


@dataclass(frozen=True)
class _Level:
    """Rate, its error and touches of every hour, shape (segments, 168); mean of each segment."""

    rate: Floats
    error: Floats
    mean: Floats
    tries: Floats


def best_hours(exposures: Exposures, segment: Ints, *, people: int) -> BestHours:
    """Best hour of everyone.

    Each level is drawn to the one above by as many touches as the level above is worth (see `strength`): hour of
    the day to everyone's mean, hour of the week to the hour of the day, segment to everyone, person to segment.
    An hour counts where its rate is surely (one-sided 95 %) above the mean of its own level.

    Args:
        exposures: touches; acts that no touch caused are no part of it.
        segment: segment of each person, 0..segments-1, shape (people,).
        people: number of people.
    """
    segments = int(segment.max(initial=-1)) + 1
    if float(exposures.touches.sum()) < LEAST_TOUCHES or not exposures.answers.any():
        return _nobody(people)
    everyone = _everyone(exposures)
    by_segment = _segments(exposures, segment, segments, everyone)
    own = _own(exposures, segment, by_segment)
    found = _nobody(people)
    for basis, level, index in (
        (HourBasis.EVERYONE, everyone, np.zeros(people, dtype=np.int64)),
        (HourBasis.SEGMENT, by_segment, segment),
    ):
        hours, best, rate = _pick(level)
        has = best[index] >= 0
        found.bin[has], found.rate[has] = best[index][has], rate[index][has]
        found.by_weekday[has] = hours[index][has]
        found.basis[has] = list(HourBasis).index(basis)
    _take_own(found, exposures, own)
    return found


def _nobody(people: int) -> BestHours:
    none = list(HourBasis).index(HourBasis.NONE)
    return BestHours(
        np.full(people, -1, dtype=np.int64),
        np.full(people, np.nan),
        np.full(people, none, dtype=np.int64),
        np.full((people, DAYS), -1, dtype=np.int8),
    )


def _sums(codes: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


def _everyone(exposures: Exposures) -> _Level:
    tries = _sums(exposures.bin, exposures.touches, BINS)
    hits = _sums(exposures.bin, exposures.answers, BINS)
    mean = float(hits.sum() / tries.sum())
    hour = np.arange(BINS) % 24
    by_hour_tries, by_hour_hits = _sums(hour, tries, 24), _sums(hour, hits, 24)
    base = np.full(24, mean)
    worth = strength(by_hour_hits, by_hour_tries, base)
    of_hour = shrunk(by_hour_hits, by_hour_tries, base, worth)
    spread = error(of_hour, by_hour_tries, worth)
    prior = of_hour[hour]
    fine = strength(hits, tries, prior)
    rate = shrunk(hits, tries, prior, fine)
    wide = np.sqrt(error(rate, tries, fine) ** 2 + spread[hour] ** 2)
    return _Level(rate[None, :], wide[None, :], np.array([mean]), tries[None, :])


def _segments(exposures: Exposures, segment: Ints, segments: int, everyone: _Level) -> _Level:
    cell = segment[exposures.person] * BINS + exposures.bin
    tries = _sums(cell, exposures.touches, segments * BINS)
    hits = _sums(cell, exposures.answers, segments * BINS)
    total, won = tries.reshape(segments, BINS).sum(axis=1), hits.reshape(segments, BINS).sum(axis=1)
    base = np.full(segments, everyone.mean[0])
    mean = shrunk(won, total, base, strength(won, total, base))
    prior = np.clip(everyone.rate * (mean / everyone.mean[0])[:, None], 1e-6, 1 - 1e-6).ravel()
    worth = strength(hits, tries, prior)
    rate = shrunk(hits, tries, prior, worth)
    wide = error(rate, tries, worth).reshape(segments, BINS)
    above = np.broadcast_to(everyone.error, wide.shape)
    spread = np.where(np.isinf(worth), above, np.maximum(wide, 0.0))
    return _Level(rate.reshape(segments, BINS), spread, mean, tries.reshape(segments, BINS))


@dataclass(frozen=True)
class _Own:
    """Rate and error of every exposed cell, and the person's mean; None where people do not differ."""

    rate: Floats
    error: Floats
    mean: Floats


def _own(exposures: Exposures, segment: Ints, by_segment: _Level) -> _Own | None:
    prior = by_segment.rate[segment[exposures.person], exposures.bin]
    worth = strength(exposures.answers, exposures.touches, prior)
    if np.isinf(worth):
        return None
    rate = shrunk(exposures.answers, exposures.touches, prior, worth)
    return _Own(rate, error(rate, exposures.touches, worth), by_segment.mean[segment[exposures.person]])


def _pick(level: _Level) -> tuple[NDArray[np.int8], Ints, Floats]:
    """Surely good hour of each weekday, the best of all and its rate, for each row of a level."""
    sure = level.rate - _SURE * level.error > level.mean[:, None] * (1 + 1e-9)
    rate = np.where(sure, level.rate, -1.0)
    by_day = rate.reshape(-1, DAYS, 24)
    hours = np.where(by_day.max(axis=2) > 0, by_day.argmax(axis=2), -1).astype(np.int8)
    # Where weekdays are not told apart, the one with most touches stands for them.
    tied = np.where(rate >= rate.max(axis=1, keepdims=True) * (1 - 1e-9), level.tries, -1.0)
    best = np.where(rate.max(axis=1) > 0, tied.argmax(axis=1), -1).astype(np.int64)
    return hours, best, np.where(best >= 0, rate.max(axis=1), np.nan)


def _take_own(found: BestHours, exposures: Exposures, own: _Own | None) -> None:
    """Put a person's own surely good hours over what segment or everybody says."""
    if own is None:
        return
    sure = np.flatnonzero(own.rate - _SURE * own.error > own.mean)
    order = sure[np.argsort(own.rate[sure], kind="stable")]  # the best is written last
    person, bins = exposures.person[order], exposures.bin[order]
    found.by_weekday[person, bins // 24] = (bins % 24).astype(np.int8)
    found.bin[person], found.rate[person] = bins, own.rate[order]
    found.basis[person] = list(HourBasis).index(HourBasis.PERSON)


def answer_rates(person: Ints, touches: Floats, answers: Floats, segment: Ints, *, people: int) -> Floats:
    """Answers per touch of a channel expected of each person, drawn to the segment and that to everyone.

    NaN for everybody where the channel was never used.
    """
    if not touches.sum():
        return np.full(people, np.nan)
    n = _sums(person, touches, people)
    k = _sums(person, answers, people)
    mean = np.full(int(segment.max(initial=0)) + 1, k.sum() / n.sum())
    tries = _sums(segment, n, mean.size)
    hits = _sums(segment, k, mean.size)
    prior = shrunk(hits, tries, mean, strength(hits, tries, mean))[segment]
    return shrunk(k, n, prior, strength(k, n, prior))
