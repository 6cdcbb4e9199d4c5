"""A chunk's history: the law run week by week, and the truth at the as-of date.

The truth p(T) = 1 - exp(-hazard over [T, T+30 days)) takes the quiet path: what would follow the person's own
next act is left out of it, so it is the probability before the last coin is tossed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simulation import law
from simulation.draws import BoolArray, FloatArray, IntArray, exponential
from simulation.law import HORIZON_WEEKS, Contacts, Matrix, State, Treatments
from simulation.mail import Lane
from simulation.people import People
from simulation.settings import WorldSettings


@dataclass(frozen=True)
class Deals:
    """Deals of one chunk; times in weeks from the start."""

    who: IntArray
    created: FloatArray
    closed: FloatArray
    won: BoolArray


@dataclass(frozen=True)
class Truth:
    """What is true of each person at the as-of date; `p_treated` is p after an e-mail sent on that day."""

    dormant: BoolArray
    p: FloatArray
    p_treated: FloatArray
    reacted: BoolArray
    deal: BoolArray
    won: BoolArray
    last_inbound: FloatArray
    suppressed: BoolArray


@dataclass
class History:
    """Weeks x people matrices: position in the week (0..1) of each act, NaN where there is none."""

    people: People
    react: Matrix
    caused: npt.NDArray[np.bool_]
    pages: npt.NDArray[np.uint8]
    rep: Matrix
    news: Matrix
    campaign: Matrix
    held_out: Matrix
    clicks: Matrix
    deals: Deals
    truth: Truth | None = None


@dataclass
class _Quiet:
    """The path without the person's own acts after T, and the hazard that it adds up."""

    state: State
    plain: FloatArray
    treated: FloatArray


def _overlap(week: int, moment: float) -> tuple[float, float]:
    """Part of a week (0..1) that lies in [moment, moment + horizon), as start and end."""
    low = min(max(moment - week, 0.0), 1.0)
    high = min(max(moment + HORIZON_WEEKS - week, 0.0), 1.0)
    return low, high


def _quiet_week(
    world: WorldSettings, people: People, quiet: _Quiet, state: State, week: int, react: Matrix, moment: float
) -> None:
    """Add a week's hazard to the truth and advance the quiet path beside the real one."""
    low, high = _overlap(week, moment)
    own = replace(quiet.state, z=state.z, fatigue=state.fatigue)
    hazard = law.hazard(world, people, own, week)
    carried = own.boost * np.clip(own.boost_until - week, 0.0, 1.0)
    quiet.plain += hazard * (1 + carried) * (high - low)
    later = week - int(moment)
    more = own.fatigue + (law.FADING**later if later else 0.0)
    tiring = np.exp(-world.signal * (law.weariness(more) - law.weariness(own.fatigue)))
    quiet.treated += hazard * tiring * (1 + np.maximum(people.effect, -0.95)) * (high - low)
    known = np.where(react < low, react, np.float32(np.nan)) if low > 0 else np.full_like(react, np.nan)
    rep = law.rep_contact(world, people, own, week)
    law.advance(world, people, own, week, known.astype(np.float32), rep)
    quiet.state = own


def _acts(
    world: WorldSettings, people: People, state: State, week: int, contacts: Contacts
) -> tuple[Matrix, BoolArray]:
    """Acts of level 2 or more in a week, and which of them a contact caused."""
    hazard = law.hazard(world, people, state, week)
    before = state.boost * np.clip(state.boost_until - week, 0.0, 1.0)
    energy = exponential(world.seed, 49, people.pid, week)
    born = np.floor(people.created) == week
    energy = np.where(week > people.created, energy, np.inf)
    react = law.draw_acts(hazard, before, contacts, energy)
    first = born & law.inquiry(world, people) if born.any() else born
    react = np.where(first, (people.created - week).astype(np.float32), react)
    caused = ~np.isnan(react) & ~first & (energy >= hazard) & (react > 0)
    for place, change in zip(contacts.place, contacts.change, strict=True):
        state.boost = np.where(place < 1.0, change, state.boost)
        state.boost_until = np.where(place < 1.0, week + place + HORIZON_WEEKS, state.boost_until)
    return react, caused


def _week(world: WorldSettings, past: History, state: State, week: int, engine: Treatments) -> None:
    """Everything that happens in one week, written into the matrices."""
    people = past.people
    past.news[week], past.campaign[week], past.held_out[week] = law.sends(world, people, state, week)
    contacts = law.contacts(world, people, week, past.campaign[week], engine)
    past.pages[week] = law.page_views(world, people, state, week)
    past.rep[week] = law.rep_contact(world, people, state, week)
    past.react[week], past.caused[week] = _acts(world, people, state, week, contacts)
    mails = []
    for matrix, lane in ((past.news[week], Lane.NEWSLETTER), (past.campaign[week], Lane.CAMPAIGN)):
        who = np.flatnonzero(~np.isnan(matrix))
        mails.append((who, week + matrix[who].astype(float), lane))
    now = slice(*np.searchsorted(engine.at, (week, week + 1)))
    mail = engine.is_mail[now]
    mails.append((engine.who[now][mail], engine.at[now][mail], Lane.ENGINE))
    past.clicks[week] = law.suppress(world, people, state, mails)
    law.open_deals(world, people, state, week, past.react[week])


def latest(matrix: Matrix, moment: float) -> FloatArray:
    """Per person the last time (weeks from the start) in a matrix before `moment`; -inf if never."""
    weeks = min(len(matrix), int(np.ceil(moment)))
    times = np.arange(weeks, dtype=np.float64)[:, None] + matrix[:weeks]
    last: FloatArray = np.nanmax(np.where(times < moment, times, -np.inf), axis=0, initial=-np.inf)
    return last


def last_inbound(past: History, moment: float) -> FloatArray:
    """Last act of the person that a CRM shows: reply, form, call, meeting, page view, click."""
    pages = np.where(past.pages > 0, np.float32(0.5), np.float32(np.nan)).astype(np.float32)
    seen = [latest(matrix, moment) for matrix in (past.react, pages, past.clicks)]
    last: FloatArray = np.maximum.reduce(seen)
    return last


def dormant(past: History, moment: float) -> BoolArray:
    """Dormant at `moment` by the default definition: 30 days, no open deal, no rep in the last 14 days."""
    inbound = last_inbound(past, moment)
    deals = past.deals
    is_open = (deals.created < moment) & (deals.closed >= moment)
    busy = np.zeros(len(past.people), dtype=bool)
    busy[deals.who[is_open]] = True
    recent_rep = moment - latest(past.rep, moment) < 2.0
    quiet = np.isfinite(inbound) & (moment - inbound >= HORIZON_WEEKS)
    return quiet & ~busy & ~recent_rep & ~past.people.disqualified


def _truth(past: History, quiet: _Quiet, moment: float) -> Truth:
    n = len(past.people)
    end = moment + HORIZON_WEEKS
    times = np.arange(len(past.react))[:, None] + past.react
    deals = past.deals
    within = (deals.created >= moment) & (deals.created < end)
    deal, won = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    deal[deals.who[within]] = True
    won[deals.who[(deals.closed >= moment) & (deals.closed < end) & deals.won]] = True
    return Truth(
        dormant=dormant(past, moment),
        p=1 - np.exp(-quiet.plain),
        p_treated=1 - np.exp(-quiet.treated),
        reacted=np.any((times >= moment) & (times < end), axis=0),
        deal=deal,
        won=won,
        last_inbound=last_inbound(past, moment),
        suppressed=quiet.state.suppressed,
    )


def simulate(
    world: WorldSettings,
    people: People,
    *,
    moment: float,
    engine: Treatments | None = None,
    with_truth: bool = True,
) -> History:
    """Run the law from the start of the world until one horizon after `moment` (weeks from the start).

    Acts after `moment` exist in the result for the truth alone; exports cut them off.
    """
    engine = engine or law.no_treatments()
    weeks = int(np.ceil(moment + (HORIZON_WEEKS if with_truth else 0)))
    n = len(people)
    blank = np.full((weeks, n), np.nan, dtype=np.float32)
    past = History(
        people=people,
        react=blank.copy(),
        caused=np.zeros((weeks, n), dtype=bool),
        pages=np.zeros((weeks, n), dtype=np.uint8),
        rep=blank.copy(),
        news=blank.copy(),
        campaign=blank.copy(),
        held_out=blank.copy(),
        clicks=blank.copy(),
        deals=Deals(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool)),
    )
    state = law.start(world, people)
    quiet: _Quiet | None = None
    for week in range(weeks):
        if with_truth and quiet is None and week + 1 > moment:
            quiet = _Quiet(replace(state, suppressed=state.suppressed.copy()), np.zeros(n), np.zeros(n))
        _week(world, past, state, week, engine)
        react = past.react[week]
        if quiet is not None:
            _quiet_week(world, people, quiet, state, week, react, moment)
        law.advance(world, people, state, week, react, past.rep[week])
    if state.deals:
        past.deals = Deals(*(np.concatenate(parts) for parts in zip(*state.deals, strict=True)))
    if quiet is not None:
        past.truth = _truth(past, quiet, moment)
    return past
