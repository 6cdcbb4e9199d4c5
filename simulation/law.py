"""The law: how latent intent, cycles, seasons, colleagues, reps and contacts make people act, week by week.

Everything a person does in a week depends on state at its start and on draws keyed by person and week. A
contact in the middle of a week changes the hazard from its own moment on, through one exponential draw per
week, so no contact changes what happened before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from simulation.draws import BoolArray, FloatArray, IntArray, normal, uniform
from simulation.mail import Lane, mail_outcome
from simulation.people import GOHIGHLEVEL, HUBSPOT, INDUSTRIES, People
from simulation.settings import WorldSettings

Matrix = npt.NDArray[np.float32]
HORIZON_WEEKS: Final = 30 / 7
CAMPAIGNS: Final = 12
FADING: Final = 0.85
_RHO: Final = 0.94
_CAP: Final = 0.8


@dataclass(frozen=True)
class Treatments:
    """Engine contacts of one chunk, sorted by time: position, weeks from start, effect scale, is it a mail."""

    who: IntArray
    at: FloatArray
    scale: FloatArray
    shift: FloatArray
    is_mail: BoolArray


def no_treatments() -> Treatments:
    """Nobody was contacted by the engine."""
    none = np.zeros(0)
    return Treatments(none.astype(np.int64), none, none, none, none.astype(bool))


@dataclass(frozen=True)
class Contacts:
    """Contacts of a week, layers x people in the order of time: moment (0..1, 1 is none) and relative effect."""

    place: FloatArray
    change: FloatArray


@dataclass
class State:
    """What the coming week depends on."""

    z: FloatArray
    heat: FloatArray
    rep: FloatArray
    mates: FloatArray
    fatigue: FloatArray
    boost: FloatArray
    boost_until: FloatArray
    deal_until: FloatArray
    suppressed: BoolArray
    deals: list[tuple[IntArray, FloatArray, FloatArray, BoolArray]] = field(default_factory=list)


def weariness(fatigue: FloatArray) -> FloatArray:
    """What recent mails take off the log-hazard: one mail tires nobody, a second one soon after does."""
    tired: FloatArray = 0.2 * np.clip(fatigue - 1.5, 0.0, 2.0)
    return tired


def hazard(world: WorldSettings, people: People, state: State, week: int) -> FloatArray:
    """Weekly hazard of an act of level 2 or more, before any contact of the engine."""
    turn = 2 * np.pi * (week + 0.5 - people.phase) / people.period
    cycle = people.swing * (np.maximum(np.cos(turn), -0.2) - 0.45)
    peak = np.arange(INDUSTRIES)[people.industry] * 52.0 / INDUSTRIES
    season = 0.3 * np.cos(2 * np.pi * (week - peak) / 52.0)
    drifted = world.drift_size * people.drift * float(week >= world.week_of(world.drift_on))
    between = 1.3 * people.static + 0.7 * people.intent + 0.6 * state.z + cycle + season + drifted
    between = between - np.where(people.browser, 0.7, 0.0) + 0.35 * np.tanh(state.mates)
    between = between + 0.5 * np.minimum(state.rep, 1.5)
    between = between - weariness(state.fatigue) - np.where(state.suppressed, 0.6, 0.0)
    warmth = 1.0 + 7.0 * world.signal * state.heat
    return np.minimum(np.exp(world.log_hazard + world.signal * between) * warmth, _CAP)


def rep_contact(world: WorldSettings, people: People, state: State, week: int) -> Matrix:
    """Position in the week of a rep's contact: reps sense intent that no column shows, and follow up acts."""
    sensed = people.rep_rate + 0.5 * world.rep_bias * world.signal * state.z
    rate = np.exp(sensed) + 0.45 * np.minimum(state.heat, 1.0)
    alive = (week >= people.created) & ~people.disqualified
    hit = alive & (uniform(world.seed, 41, people.pid, week) < 1 - np.exp(-rate))
    place = 0.02 + 0.7 * uniform(world.seed, 42, people.pid, week)
    return np.where(hit, place, np.nan).astype(np.float32)


def campaign_week(world: WorldSettings, week: int) -> int:
    """Number of the past campaign (0..11) that runs in a week, or -1; they end five weeks before the anchor."""
    age = world.week_of(world.anchor) - 5 - week
    return 11 - age // 4 if age % 4 == 0 and 0 <= age < 48 else -1


def sends(world: WorldSettings, people: People, state: State, week: int) -> tuple[Matrix, Matrix, Matrix]:
    """Position in the week of newsletter mails, campaign mails, and assignments to the held-out arm."""
    pid, seed = people.pid, world.seed
    open_to_mail = (week >= people.created + 1) & ~state.suppressed & ~people.disqualified
    news = open_to_mail & (uniform(seed, 43, pid, week) < world.newsletter_weekly)
    place = (0.15 + 0.5 * uniform(seed, 44, pid, week)).astype(np.float32)
    nothing = np.full(len(people), np.nan, dtype=np.float32)
    mailed = np.where(news, place, nothing)
    if campaign_week(world, week) < 0:
        return mailed, nothing, nothing
    assigned = open_to_mail & ~news & (uniform(seed, 45, pid, week) < world.campaign_share)
    spared = uniform(seed, 46, pid, week) < world.campaign_held_out
    at = np.float32(0.25)
    return mailed, np.where(assigned & ~spared, at, nothing), np.where(assigned & spared, at, nothing)


def draw_acts(hazard: FloatArray, before: FloatArray, contacts: Contacts, energy: FloatArray) -> Matrix:
    """First act of the week: hazard*(1+before) until the first contact, hazard*(1+change) after each contact.

    The act comes where the hazard added up since the week's start reaches `energy`, so a contact moves no act
    that came before it.
    """
    at = np.full(len(hazard), np.nan)
    begun, used, relative = np.zeros(len(hazard)), np.zeros(len(hazard)), before
    for place, change in (*zip(contacts.place, contacts.change, strict=True), (np.ones(len(hazard)), before)):
        rate = np.maximum(hazard * (1 + relative), 1e-12)
        moment = begun + (energy - used) / rate
        at = np.where(np.isnan(at) & (moment < place), moment, at)
        used = used + rate * (place - begun)
        begun, relative = place, np.where(place < 1.0, change, relative)
    return at.astype(np.float32)


def inquiry(world: WorldSettings, people: People) -> BoolArray:
    """People whose first act is an inquiry; leads of events and bought lists mostly never wrote."""
    likely = np.where(np.isin(people.source, (6, 7)), 0.25, 0.95)
    return uniform(world.seed, 47, people.pid) < likely


def start(world: WorldSettings, people: People) -> State:
    """State at the start of the world."""
    n = len(people)
    never = np.full(n, -np.inf)
    return State(
        z=normal(world.seed, 50, people.pid, 10_000),
        heat=np.zeros(n),
        rep=np.zeros(n),
        mates=np.zeros(n),
        fatigue=np.zeros(n),
        boost=np.zeros(n),
        boost_until=never.copy(),
        deal_until=never.copy(),
        suppressed=np.zeros(n, dtype=bool),
    )


def contacts(world: WorldSettings, people: People, week: int, campaign: Matrix, engine: Treatments) -> Contacts:
    """Effective contacts of the week, by campaign and engine, in the order of time."""
    n = len(people)
    mailed = np.flatnonzero(~np.isnan(campaign))
    low, high = np.searchsorted(engine.at, (week, week + 1))
    if not len(mailed) and low == high:
        return Contacts(np.ones((1, n)), np.zeros((1, n)))
    at = week + campaign[mailed].astype(float)
    reached = mailed[mail_outcome(world, people, mailed, at, Lane.CAMPAIGN).delivered]
    who, when = engine.who[low:high], engine.at[low:high]
    works = ~engine.is_mail[low:high] | (when < people.dead_week[who])
    change = people.effect[who] * engine.scale[low:high] + engine.shift[low:high]
    everyone = np.concatenate([reached, who[works]])
    place = np.concatenate([campaign[reached].astype(float), when[works] - week])
    change = np.maximum(np.concatenate([people.effect[reached], change[works]]), -0.95)
    order = np.lexsort((place, everyone))
    everyone, place, change = everyone[order], place[order], change[order]
    layer = np.arange(len(everyone)) - np.searchsorted(everyone, everyone)
    found = Contacts(np.ones((layer.max(initial=0) + 1, n)), np.zeros((layer.max(initial=0) + 1, n)))
    found.place[layer, everyone], found.change[layer, everyone] = place, change
    return found


def suppress(
    world: WorldSettings, people: People, state: State, mails: list[tuple[IntArray, FloatArray, Lane]]
) -> Matrix:
    """Opt-outs, complaints and hard bounces end all later mail; returns moments of clicks that a CRM shows."""
    clicks = np.full(len(people), np.nan, dtype=np.float32)
    for who, at, lane in mails:
        if len(who):
            fate = mail_outcome(world, people, who, at, lane)
            state.suppressed[who[fate.suppressed]] = True
            state.fatigue[who] += 1.0
            shown = fate.click & np.isin(people.crm[who], (HUBSPOT, GOHIGHLEVEL))
            clicks[who[shown]] = np.minimum(at[shown] - np.floor(at[shown]) + 0.05, 0.999)
    return clicks


def open_deals(world: WorldSettings, people: People, state: State, week: int, react: Matrix) -> None:
    """Some acts lead to a deal, created days later and closed weeks later."""
    who = np.flatnonzero(~np.isnan(react) & (state.deal_until <= week) & ~people.disqualified)
    if not len(who):
        return
    pid = people.pid[who]
    logit = -2.1 + world.signal * (0.5 * people.intent[who] + 0.4 * (people.seniority[who] >= 2))
    opens = uniform(world.seed, 61, pid, week) < 1 / (1 + np.exp(-logit))
    who, pid = who[opens], pid[opens]
    created = week + react[who] + (1 + 11 * uniform(world.seed, 62, pid, week)) / 7
    closed = created + 2 + 9 * uniform(world.seed, 63, pid, week)
    won = uniform(world.seed, 64, pid, week) < 0.3
    state.deal_until[who] = closed
    state.deals.append((who, created, closed, won))


def advance(world: WorldSettings, people: People, state: State, week: int, react: Matrix, rep: Matrix) -> None:
    """Carry the state over to the next week."""
    acted = ~np.isnan(react)
    contacted = ~np.isnan(rep)
    state.z = _RHO * state.z + np.sqrt(1 - _RHO**2) * normal(world.seed, 50, people.pid, week)
    state.heat = 0.35 * state.heat + acted
    state.rep = 0.6 * state.rep + contacted
    total = np.bincount(people.local_account, weights=acted)[people.local_account]
    state.mates = 0.75 * state.mates + (total - acted)
    state.fatigue = FADING * state.fatigue


def page_views(world: WorldSettings, people: People, state: State, week: int) -> npt.NDArray[np.uint8]:
    """Known sessions of the week; only HubSpot sees them."""
    rate = people.page_rate * np.exp(world.signal * 0.8 * state.z) * (1 + 2 * np.minimum(state.heat, 1.0))
    u = uniform(world.seed, 48, people.pid, week)
    first = 1 - np.exp(-np.minimum(rate, 3.0))
    count = (u < first).astype(np.uint8) + (u < first * rate / 2) + (u < first * rate * rate / 6)
    visible = (people.crm == HUBSPOT) & (week >= people.created)
    return np.where(visible, count, 0).astype(np.uint8)
