"""The two optima of the law: the oracle that knows p, and the best p that the exports alone allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.files import write_atomic
from simulation.draws import BoolArray, FloatArray
from simulation.history import History, dormant, latest, simulate
from simulation.law import Matrix
from simulation.people import HUBSPOT, INDUSTRIES, SALESFORCE, SOURCES, make_people
from simulation.settings import CHUNK, WEEK, WorldSettings

FRESH_SEED: Final = 1_000_003  # fresh people share the law with the world, never its draws
WINDOWS: Final = (1, 4, 13, 26, 52, 104)


def _pages(past: History) -> Matrix:
    return np.where(past.pages > 0, np.float32(0.5), np.float32(np.nan)).astype(np.float32)


def _recent(past: History, moment: float) -> dict[str, FloatArray]:
    """Counts by window and days since the last act, for every kind that a CRM shows."""
    week = int(moment)
    shown = {
        "acts": past.react, "pages": _pages(past), "clicks": past.clicks, "reps": past.rep,
        "news": past.news, "campaigns": past.campaign,
    }  # fmt: skip
    found: dict[str, FloatArray] = {}
    for name, matrix in shown.items():
        there = ~np.isnan(matrix[:week])
        total = np.concatenate([np.zeros((1, there.shape[1]), dtype=np.int32), np.cumsum(there, axis=0, dtype=np.int32)])
        for width in WINDOWS:
            found[f"{name}_{width}w"] = (total[week] - total[max(week - width, 0)]).astype(float)
        found[f"{name}_all"] = total[week].astype(float)
        since = moment - latest(matrix, moment)
        found[f"{name}_since"] = np.where(np.isfinite(since), since, np.nan)
    return found


def _rhythm(past: History, moment: float) -> dict[str, FloatArray]:
    """Where the person stands in yearly, half-yearly and quarterly rounds since entering, and past gaps."""
    week = int(moment)
    people = past.people
    age = moment - people.created
    there = ~np.isnan(past.react[:week])
    number = np.arange(week)[:, None]
    last = np.where(there, number, -1).max(axis=0)
    before = np.where(there & (number < last - 3), number, -1).max(axis=0)
    found = {
        "age": age,
        "gap": np.where(before >= 0, last - before, np.nan).astype(float),
        "calendar_week": np.full(len(people), week % 52, dtype=float),
    }
    for period in (13, 26, 52):
        turn = 2 * np.pi * (age / period)
        found[f"turn_{period}"] = np.cos(turn)
        found[f"turn_{period}_ahead"] = np.cos(turn + 2 * np.pi * 2.5 / period)
        weight = np.cos(2 * np.pi * (number - people.created) / period)
        acts = np.maximum(there.sum(axis=0), 1)
        found[f"beat_{period}"] = (there * weight).sum(axis=0) / acts
    return found


def _static(world: WorldSettings, past: History) -> dict[str, FloatArray]:
    """Attributes as codes, missing where the exports lack them."""
    people = past.people
    return {
        "source": people.source.astype(float),
        "industry": people.industry.astype(float),
        "size": people.size.astype(float),
        "seniority": people.seniority.astype(float),
        "crm": people.crm.astype(float),
        "free_mail": people.is_free_mail.astype(float),
        "hours": people.hour_low,
    } | ({"country": people.country.astype(float)} if world.signal >= 0 else {})


def observable(world: WorldSettings, past: History, moment: float) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Everything that the exports tell about each person at `moment` (weeks from the start), as columns."""
    people = past.people
    columns = _static(world, past) | _recent(past, moment) | _rhythm(past, moment)
    total = {}
    for name in ("acts_4w", "acts_13w", "acts_52w", "pages_13w"):
        own = columns[name]
        total[f"mates_{name}"] = np.bincount(people.local_account, weights=own)[people.local_account] - own
    total["mates"] = np.bincount(people.local_account)[people.local_account].astype(float)
    deals = past.deals
    for name, which in (("deals", deals.created < moment), ("won", (deals.closed < moment) & deals.won)):
        total[name] = np.bincount(deals.who[which], minlength=len(people)).astype(float)
    columns |= total
    names = sorted(columns)
    return names, np.column_stack([columns[name] for name in names]).astype(np.float32)


def obvious(names: list[str], table: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """What a first model would use: recency, counts, rep contacts, age, and one-hot attributes."""
    numbers = (
        "acts_since", "acts_13w", "acts_52w", "acts_all", "clicks_52w", "pages_13w", "reps_13w", "reps_since",
        "news_52w", "age", "size", "seniority", "deals",
    )  # fmt: skip
    plain = np.column_stack([table[:, names.index(name)] for name in numbers]).astype(float)
    missing = np.isnan(plain)
    plain = np.where(missing, 200.0, plain)
    source = np.eye(SOURCES)[table[:, names.index("source")].astype(int)]
    industry = np.eye(INDUSTRIES)[table[:, names.index("industry")].astype(int)]
    crm = np.eye(3)[table[:, names.index("crm")].astype(int)]
    return np.hstack([plain, source, industry, crm])


@dataclass(frozen=True)
class Optima:
    """How well anybody can rank dormant people; AUC and log loss are measured on fresh people."""

    fresh_people: int
    dormant_fitted: int
    dormant_measured: int
    base_rate: float
    oracle_auc: float
    oracle_log_loss: float
    observable_auc: float
    observable_log_loss: float
    logistic_auc: float
    logistic_share: float
    fingerprint: str


@dataclass(frozen=True)
class Sample:
    """Dormant people of fresh chunks: observable columns, outcome and true p."""

    names: list[str]
    table: npt.NDArray[np.float32]
    reacted: BoolArray
    p: FloatArray


def fresh_sample(world: WorldSettings, *, first: int, chunks: int, progress: Any = None) -> Sample:
    """Dormant people of `chunks` fresh chunks at the date of the optima."""
    fresh = world.model_copy(update={"seed": world.seed + FRESH_SEED})
    moment = (world.epoch(world.optimum_on) - world.start_epoch) / WEEK
    names: list[str] = []
    parts = []
    for number in range(first, first + chunks):
        past = simulate(fresh, make_people(fresh, number), moment=moment)
        truth = past.truth
        assert truth is not None
        names, table = observable(fresh, past, moment)
        asleep = dormant(past, moment)
        parts.append((table[asleep], truth.reacted[asleep], truth.p[asleep]))
        if progress:
            progress("optima", number - first + 1, chunks)
    tables, reacted, p = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sample(names, tables, reacted, p)
