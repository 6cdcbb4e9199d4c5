"""The two optima of the law: the oracle that knows p, and the best p that the exports alone allow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from contracts.files import write_atomic
from simulation.draws import BoolArray, FloatArray
from simulation.history import History, dormant, latest, simulate
from simulation.law import Matrix
from simulation.people import INDUSTRIES, SOURCES, make_people
from simulation.records import has_title
from simulation.settings import CHUNK, WEEK, WorldSettings
from simulation.truth import write_parquet

Progress = Callable[[str, int, int], None]
_SHAPE: Final = 2  # raise it when what is kept beside the optima changes
_LARGE: Final = 300_000  # people from which a fit bears large trees and threads
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
        total = np.concatenate(
            [np.zeros((1, there.shape[1]), dtype=np.int32), np.cumsum(there, axis=0, dtype=np.int32)]
        )
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
    titled = has_title(world, people.pid, np.zeros_like(people.pid))
    return {
        "source": people.source.astype(float),
        "industry": people.industry.astype(float),
        "size": people.size.astype(float),
        "seniority": np.where(titled, people.seniority, np.nan),
        "crm": people.crm.astype(float),
        "free_mail": people.is_free_mail.astype(float),
        "country": people.country.astype(float),
    }


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
    """Dormant people of fresh chunks: observable columns, outcome, true p and true effect of an e-mail."""

    names: list[str]
    table: npt.NDArray[np.float32]
    reacted: BoolArray
    p: FloatArray
    uplift: FloatArray


def fresh_sample(world: WorldSettings, *, first: int, chunks: int, progress: Progress | None = None) -> Sample:
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
        parts.append((table[asleep], truth.reacted[asleep], truth.p[asleep], (truth.p_treated - truth.p)[asleep]))
        if progress:
            progress("optima", number - first + 1, chunks)
    tables, reacted, p, uplift = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sample(names, tables, reacted, p, uplift)


def fit_observable(sample: Sample) -> HistGradientBoostingClassifier:
    """Boosted trees on everything observable, the stand-in for the best p from the exports alone."""
    with _threads(sample):
        return HistGradientBoostingClassifier(**_trees(sample)).fit(sample.table, sample.reacted)


def fit_effect(sample: Sample) -> HistGradientBoostingRegressor:
    """The same on the true effect of an e-mail: the best that anybody can expect of it from the exports alone."""
    with _threads(sample):
        return HistGradientBoostingRegressor(**_trees(sample)).fit(sample.table, sample.uplift)


def _trees(sample: Sample) -> dict[str, Any]:
    is_large = len(sample.reacted) > _LARGE
    return {
        "max_iter": 500 if is_large else 160,
        "learning_rate": 0.05,
        "max_leaf_nodes": 31 if is_large else 15,
        "min_samples_leaf": 200,
        "l2_regularization": 5.0,
        "max_features": 0.3,
        "early_stopping": False,
        "random_state": 0,
    }


def _threads(sample: Sample) -> Any:
    # A small fit gains nothing from threads, and loses much where the cores are shared.
    return threadpool_limits(limits=None if len(sample.reacted) > _LARGE else 1, user_api="openmp")


def fit_obvious(sample: Sample) -> Pipeline:
    """Plain logistic regression on obvious columns."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    return model.fit(obvious(sample.names, sample.table), sample.reacted)


def measure_optima(
    world: WorldSettings, *, truth: Path, fresh_people: int = 1_000_000, progress: Progress | None = None
) -> Optima:
    """Fit on `fresh_people` fresh people, measure on a fifth as many others; cached by the law's fingerprint.

    Also writes the observable p, and the observable effect of an e-mail, of the world's own dormant people to
    `<truth>/optimum/people.parquet`.
    """
    fingerprint = f"{world.law_fingerprint()}-{fresh_people}-{_SHAPE}"
    cache = truth / "optimum" / f"{fingerprint}.json"
    if cache.exists():
        return Optima(**json.loads(cache.read_text()))
    chunks = -(-fresh_people // CHUNK)
    fitted = fresh_sample(world, first=0, chunks=chunks, progress=progress)
    measured = fresh_sample(world, first=chunks, chunks=max(chunks // 5, 9), progress=progress)
    best = fit_observable(fitted)
    plain = fit_obvious(fitted)
    y = measured.reacted
    p_best = best.predict_proba(measured.table)[:, 1]
    p_plain = plain.predict_proba(obvious(measured.names, measured.table))[:, 1]
    observable_auc, logistic_auc = float(roc_auc_score(y, p_best)), float(roc_auc_score(y, p_plain))
    found = Optima(
        fresh_people=chunks * CHUNK,
        dormant_fitted=len(fitted.p),
        dormant_measured=len(y),
        base_rate=float(y.mean()),
        oracle_auc=float(roc_auc_score(y, measured.p)),
        oracle_log_loss=float(log_loss(y, measured.p)),
        observable_auc=observable_auc,
        observable_log_loss=float(log_loss(y, p_best)),
        logistic_auc=logistic_auc,
        logistic_share=(logistic_auc - 0.5) / (observable_auc - 0.5),
        fingerprint=fingerprint,
    )
    _write_people(world, truth, best, fit_effect(fitted))
    write_atomic(cache, (json.dumps(asdict(found), indent=2) + "\n").encode())
    return found


def _write_people(
    world: WorldSettings, truth: Path, model: HistGradientBoostingClassifier, effect: HistGradientBoostingRegressor
) -> None:
    """Observable and true p and effect of the world's own dormant people at the date of the optima."""
    moment = (world.epoch(world.optimum_on) - world.start_epoch) / WEEK
    parts = []
    for number in range(world.chunks):
        people = make_people(world, number)
        past = simulate(world, people, moment=moment)
        assert past.truth is not None
        asleep = dormant(past, moment) & (people.pid < world.people)
        table = observable(world, past, moment)[1][asleep]
        columns = {
            "pid": people.pid[asleep],
            "p": past.truth.p[asleep],
            "p_observable": model.predict_proba(table)[:, 1],
            "reacted": past.truth.reacted[asleep],
            "uplift": (past.truth.p_treated - past.truth.p)[asleep],
            "uplift_observable": effect.predict(table),
        }
        parts.append(pa.table(columns))
    write_parquet(truth / "optimum" / "people.parquet", pa.concat_tables(parts))
