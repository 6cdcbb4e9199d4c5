"""Who the people are: latent traits, and the attributes that a CRM shows. Everything is keyed by person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulation.draws import BoolArray, FloatArray, IntArray, choice, normal, uniform
from simulation.settings import CHUNK, WorldSettings

# Accounts are blocks of 20 consecutive people, split by one of these patterns into nine groups.
BLOCK: Final = 20
GROUPS: Final = 9
_PATTERNS: Final = (
    (6, 4, 3, 2, 1, 1, 1, 1, 1),
    (8, 3, 2, 2, 1, 1, 1, 1, 1),
    (5, 5, 3, 2, 1, 1, 1, 1, 1),
    (4, 4, 4, 2, 2, 1, 1, 1, 1),
)
PATTERN_TABLE: Final = np.array([np.repeat(np.arange(GROUPS), sizes) for sizes in _PATTERNS])

HUBSPOT, SALESFORCE, GOHIGHLEVEL = 0, 1, 2
CRM_WEIGHTS: Final = (0.46, 0.32, 0.22)
COUNTRIES: Final = ("US", "CA", "GB", "DE", "FR", "AU")
COUNTRY_WEIGHTS: Final = (0.70, 0.07, 0.08, 0.07, 0.04, 0.04)
# organic, paid, direct, referral, social, e-mail, offline event, purchased list
SOURCES: Final = 8
SOURCE_WEIGHTS: Final = (0.22, 0.17, 0.14, 0.12, 0.12, 0.10, 0.10, 0.03)
INDUSTRIES: Final = 8
SIZES: Final = 5
SENIORITIES: Final = 4


@dataclass(frozen=True)
class People:
    """One chunk of people; every array has one entry per person. Weeks count from the world's start."""

    pid: IntArray
    account: IntArray
    local_account: IntArray
    crm: IntArray
    country: IntArray
    source: IntArray
    industry: IntArray
    size: IntArray
    seniority: IntArray
    is_free_mail: BoolArray
    created: FloatArray
    intent: FloatArray
    browser: BoolArray
    period: FloatArray
    phase: FloatArray
    swing: FloatArray
    static: FloatArray
    drift: FloatArray
    effect: FloatArray
    effect_class: IntArray
    opener: FloatArray
    clicker: FloatArray
    dead_week: FloatArray
    hour_low: FloatArray
    hour_span: FloatArray
    disqualified: BoolArray
    rep_rate: FloatArray
    page_rate: FloatArray

    def __len__(self) -> int:
        return len(self.pid)


def _created(world: WorldSettings, pid: IntArray) -> FloatArray:
    """Week, with fraction, in which each person enters the first CRM."""
    last = world.week_of(world.anchor)
    early = uniform(world.seed, 1, pid) ** 1.15 * last
    late = last + uniform(world.seed, 2, pid) * 26
    return np.where(uniform(world.seed, 3, pid) < world.late_people, late, early)


def _static(source: IntArray, industry: IntArray, size: IntArray, seniority: IntArray) -> FloatArray:
    """What visible attributes say about the log-hazard: mostly interactions, little on their own."""
    alone = np.array([0.15, -0.1, 0.05, 0.2, -0.15, 0.0, -0.05, -0.5])[source]
    digital = np.isin(source, (0, 1, 4))
    crossed = np.where(digital ^ (size >= 2), 0.55, -0.55)
    bend = np.array([0.3, -0.25, -0.2, 0.35])[seniority] * np.where(industry % 2 == 0, 1.0, -1.0)
    table = normal(20_260, 9, np.arange(INDUSTRIES * SIZES)).reshape(INDUSTRIES, SIZES) * 0.25
    together: FloatArray = alone + crossed + bend + table[industry, size]
    return together


def _effect(world: WorldSettings, pid: IntArray, senior: IntArray, opener: FloatArray) -> tuple[FloatArray, IntArray]:
    """Relative change of the hazard for 30 days after an e-mail: 0 lost causes, 1 persuadable, 2 harmed."""
    u = uniform(world.seed, 31, pid)
    harmed = np.clip(0.10 + 0.10 * (senior == 3) - 0.05 * (opener > 0.3), 0.02, 0.4)
    moved = np.clip(0.42 + 0.35 * (opener > 0.25) - 0.12 * (senior == 0), 0.1, 0.85)
    kind = np.where(u < harmed, 2, np.where(u < harmed + moved, 1, 0))
    size = 0.35 + 0.5 * uniform(world.seed, 32, pid)
    change = np.select([kind == 2, kind == 1], [-0.75 * size, 0.72 * size], 0.06)
    return change * world.contact_effect, kind


def make_people(world: WorldSettings, chunk: int) -> People:
    """One chunk of people, always whole: how many people the world has changes nobody."""
    pid = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK, dtype=np.int64)
    seed = world.seed
    block = pid // BLOCK
    pattern = choice(seed, 4, (1, 1, 1, 1), block)
    account = block * GROUPS + PATTERN_TABLE[pattern, pid % BLOCK]
    industry = choice(seed, 5, (1,) * INDUSTRIES, account)
    size = choice(seed, 6, (0.25, 0.25, 0.25, 0.15, 0.1), account)
    country = choice(seed, 7, COUNTRY_WEIGHTS, account)
    source = choice(seed, 8, SOURCE_WEIGHTS, pid)
    seniority = choice(seed, 10, (0.3, 0.35, 0.22, 0.13), pid)
    created = _created(world, pid)
    browser = uniform(seed, 12, pid) < 0.3
    cyclic = uniform(seed, 13, pid) < 0.6
    period = np.array([13.0, 26.0, 52.0])[choice(seed, 14, (0.2, 0.4, 0.4), pid)]
    intent = normal(seed, 11, pid)
    opener = world.human_open * 2 * uniform(seed, 21, pid)
    effect, kind = _effect(world, pid, seniority, opener)
    age = uniform(seed, 24, pid)
    gone = created - np.log1p(-uniform(seed, 23, pid)) * 52.0 / world.decay_yearly
    rep_bias = world.rep_bias * world.signal
    return People(
        pid=pid,
        account=account,
        local_account=account - account[0],
        crm=choice(seed, 15, CRM_WEIGHTS, pid),
        country=country,
        source=source,
        industry=industry,
        size=size,
        seniority=seniority,
        is_free_mail=uniform(seed, 16, pid) < np.where(np.isin(size, (0, 1)), 0.4, 0.1),
        created=created,
        intent=intent,
        browser=browser,
        period=period,
        phase=created,
        swing=np.where(cyclic, 1.5, 0.0),
        static=_static(source, industry, size, seniority),
        drift=np.array([0.3, -1.0, 0.0, 0.8, -0.8, 0.5, 0.0, 0.0])[source],
        effect=effect,
        effect_class=kind,
        opener=opener,
        clicker=world.human_click * 2 * uniform(seed, 22, pid) * np.where(browser, 1.5, 1.0),
        dead_week=np.where(age < world.dead_address, created, gone),
        hour_low=7.0 + 8.0 * uniform(seed, 25, pid),
        hour_span=4.0 + 3.5 * uniform(seed, 26, pid),
        disqualified=uniform(seed, 27, pid) < world.disqualified,
        rep_rate=np.log(world.rep_weekly) + rep_bias * 0.6 * intent - 0.4 * rep_bias**2,
        page_rate=np.where(browser, 0.045, 0.012) * np.exp(0.3 * normal(seed, 28, pid)),
    )
