"""When each scored person is likely to return, the best hour, answers by channel and the expected value."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from contracts.published import PublishedManifest, publish, read_manifest, read_published
from contracts.times import grid_dates
from models.features import FEATURES, FeatureSpec
from models.training.fingerprint import fingerprint
from pipelines.resources import Engine
from pipelines.scoring.timing_sql import EXPOSURES, FOLLOWED, ORGANIC, PEOPLE, TIMED

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    from models.timing.hazard import HazardModel, Returns
    from models.timing.hours import BestHours, Exposures
    from models.timing.value import Values

DATASET: Final = "lead_timing"
TABLE: Final = "scores.lead_timing"
CHANNELS: Final = ("email", "sms", "call")
_SNAPSHOTS_FOLLOWED: Final = 12_000
_SHAPE: Final = 1  # part of the fingerprint: raise it when what is published changes
_GROUPS: Final = ("recency", "frequency", "trend", "spell")
_TABLES: Final = ("marts.lead_snapshots", "marts.fct_activities", "marts.dim_people")
_DATED: Final = ("marts.lead_snapshots", "marts.lead_labels")
SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("person_id", pa.string()),
        *((f"p_return_{day}d", pa.float64()) for day in (30, 60, 90)),
        ("median_days", pa.float64()),
        ("median_days_if_returning", pa.float64()),
        ("best_weekday", pa.int8()),
        ("best_hour", pa.int8()),
        ("best_hour_rate", pa.float64()),
        ("hour_basis", pa.string()),
        ("hour_reason", pa.string()),
        ("good_hours", pa.list_(pa.int8())),
        ("organic_hour", pa.int8()),
        *((f"answers_{channel}", pa.float64()) for channel in CHANNELS),
        ("expected_value", pa.float64()),
        ("expected_value_low", pa.float64()),
        ("expected_value_high", pa.float64()),
    ]
)


def timing_day(engine: Engine, *, as_of: date) -> PublishedManifest:
    """Publish timing of everyone scored, and fill `scores.lead_timing`; a day with the same inputs is kept."""
    root, warehouse = engine.settings.published_dir, engine.warehouse
    scores = read_manifest(root, dataset="lead_scores", as_of=as_of)
    with warehouse.open() as connection:
        is_ready = scores is not None and all(warehouse.exists(connection, name) for name in _TABLES)
        name = _fingerprint(engine, connection, as_of, scores.sha256 if scores else "none", is_ready)
        known = read_manifest(root, dataset=DATASET, as_of=as_of)
        if known is not None and known.facts.get("fingerprint") == name:
            manifest, table = known, read_published(root, dataset=DATASET, as_of=as_of)
        else:
            table, facts = (
                _made(engine, connection, as_of) if is_ready else (SCHEMA.empty_table(), {"hazard": "no scores"})
            )
            manifest = publish(root, dataset=DATASET, as_of=as_of, table=table, facts=facts | {"fingerprint": name})
        warehouse.replace_partition(connection, table=TABLE, rows=table, as_of=as_of)
    return manifest


def _fingerprint(
    engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date, scores: str, is_ready: bool
) -> str:
    counts: list[Any] = []
    if is_ready:
        labels = ("marts.lead_labels",) if engine.warehouse.exists(connection, "marts.lead_labels") else ()
        # Only the panel counts: what else the warehouse still holds depends on which days were run before.
        panel = [*grid_dates(as_of, engine.settings.training_weeks), as_of]
        for table in (*_TABLES, *labels):
            dated = "where list_contains($panel, as_of_date)" if table in _DATED else ""
            row = connection.execute(
                f"select count(*), sum(hash(t)::hugeint) from {table} as t {dated}", {"panel": panel} if dated else {}
            ).fetchone()
            counts.append([str(value) for value in row or ()])
    settings = engine.settings
    chosen = [settings.horizon_days, settings.outcome_level, settings.label_lag_days, settings.reporting_currency]
    return fingerprint(scores=scores, tables=counts, settings=chosen, shape=_SHAPE, seed=settings.seed)


def _made(engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date) -> tuple[pa.Table, dict[str, Any]]:
    from models.timing.hazard import returns

    features = tuple(spec for spec in FEATURES if spec.group in _GROUPS and spec.kind != "category")
    people = _people(engine, connection, as_of, features)
    model = _hazard(engine, connection, as_of, features)
    found = returns(model, people, people["p"].to_numpy(), horizon_days=engine.settings.horizon_days)
    segment, names = pd.factorize(people["segment"].fillna("-"), sort=True)
    codes = segment.astype(np.int64)
    _place(connection, people)
    exposures, by_channel = _exposures(connection, as_of)
    from models.timing.hours import answer_rates, best_hours

    hours = best_hours(exposures, codes, people=len(people))
    rates = {
        channel: answer_rates(one.person, one.touches, one.answers, codes, people=len(people))
        for channel, one in by_channel.items()
    }
    values = _values(engine, connection, as_of, people, codes, len(names))
    table = _table(as_of, people, found, hours, rates, _organic(connection, len(people)), values)
    facts = {
        "hazard": model.words,
        "touches": int(exposures.touches.sum()),
        "hour_basis": {str(k): int(v) for k, v in table["hour_basis"].to_pandas().value_counts().sort_index().items()},
        "people_with_value": int(np.isfinite(values.value).sum()),
    }
    return table, facts


def _people(
    engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date, features: tuple[FeatureSpec, ...]
) -> pd.DataFrame:
    """Everyone scored: p, segment, zone, amount and features, ordered by person_id."""
    scores = read_published(
        engine.settings.published_dir, dataset="lead_scores", as_of=as_of, columns=["person_id", "p"]
    ).to_pandas()
    listed = ", ".join(spec.name for spec in features)
    frame = connection.execute(
        f"select person_id, {listed} from marts.lead_snapshots where as_of_date = ? order by person_id", [as_of]
    ).df()
    known = connection.execute(PEOPLE, {"currency": engine.settings.reporting_currency}).df()
    joined = scores.merge(frame, on="person_id").merge(known, on="person_id", how="left")
    joined["has_zone"] = joined["has_zone"].astype(object).where(joined["has_zone"].notna(), False).astype(bool)
    ordered: pd.DataFrame = joined.sort_values("person_id", ignore_index=True)
    return ordered


def _hazard(
    engine: Engine, connection: duckdb.DuckDBPyConnection, as_of: date, features: tuple[FeatureSpec, ...]
) -> HazardModel:
    from models.timing.hazard import fit_hazard
    from models.training.matrix import usable_features

    settings = engine.settings
    past = connection.execute(
        FOLLOWED.format(columns=", ".join(f"s.{spec.name}" for spec in features)),
        {
            "as_of": as_of,
            "panel": list(grid_dates(as_of, settings.training_weeks)),
            "most": _SNAPSHOTS_FOLLOWED,
            "level": settings.outcome_level,
            "lag": settings.label_lag_days,
        },
    ).df()
    used, _ = usable_features(past, features) if len(past) else (features, None)
    return fit_hazard(
        past,
        past["days"].to_numpy(dtype=np.float64),
        past["followed"].to_numpy(dtype=np.float64),
        used,
        groups=past["unit"].to_numpy(),
        seed=settings.seed,
    )


def _place(connection: duckdb.DuckDBPyConnection, people: pd.DataFrame) -> None:
    """Make `timed_people`: whoever was scored and has a zone, by place in the table."""
    ids = pa.table({"place": np.arange(len(people)), "person_id": pa.array(people["person_id"], pa.string())})
    connection.register("scored", ids)
    connection.execute(TIMED)
    connection.unregister("scored")


def _exposures(connection: duckdb.DuckDBPyConnection, as_of: date) -> tuple[Exposures, dict[str, Exposures]]:
    """Touches and answers by person and hour: of all channels together, and of each."""
    from models.timing.hours import Exposures

    rows = connection.execute(EXPOSURES, {"as_of": as_of}).df()

    def of(part: pd.DataFrame) -> Exposures:
        return Exposures(
            part["place"].to_numpy(dtype=np.int64),
            part["bin"].to_numpy(dtype=np.int64),
            part["touches"].to_numpy(dtype=np.float64),
            part["answers"].to_numpy(dtype=np.float64),
        )

    together = rows.groupby(["place", "bin"], sort=True)[["touches", "answers"]].sum().reset_index()
    return of(together), {channel: of(rows[rows["kind"] == channel]) for channel in CHANNELS}


def _organic(connection: duckdb.DuckDBPyConnection, people: int) -> pd.Series[Any]:
    """Hour at which each person most often acts of their own accord; null without such acts."""
    usual = connection.execute(ORGANIC).df().set_index("place")["hour"]
    return usual.reindex(range(people))


def _values(
    engine: Engine,
    connection: duckdb.DuckDBPyConnection,
    as_of: date,
    people: pd.DataFrame,
    segment: NDArray[np.int64],
    segments: int,
) -> Values:
    from models.timing.value import expected_values, segment_amounts
    from pipelines.campaigns.inputs import win_counts

    returned, won = 0, 0
    if engine.warehouse.exists(connection, "marts.lead_labels"):
        returned, won = win_counts(connection, as_of, engine.settings.training_weeks)
    own = people["amount"].to_numpy(dtype=np.float64)
    amounts = segment_amounts(own, segment, segments=segments)
    return expected_values(people["p"].to_numpy(), own, segment, amounts, won=won, returned=returned)


def _table(
    as_of: date,
    people: pd.DataFrame,
    found: Returns,
    hours: BestHours,
    rates: dict[str, NDArray[np.float64]],
    organic: pd.Series[Any],
    values: Values,
) -> pa.Table:
    from models.timing.hours import REASONS, HourBasis

    bases = list(HourBasis)
    basis = [bases[index] for index in hours.basis.tolist()]
    no_zone = ~people["has_zone"].to_numpy()
    none = hours.bin < 0
    lists = [None if flag else row for flag, row in zip(none.tolist(), hours.by_weekday.tolist(), strict=True)]
    reasons = [
        "no time zone is known" if lost else REASONS[one] for lost, one in zip(no_zone.tolist(), basis, strict=True)
    ]
    columns: dict[str, Any] = {
        "as_of_date": pa.array([as_of] * len(people), pa.date32()),
        "person_id": pa.array(people["person_id"].tolist(), pa.string()),
        **{f"p_return_{day}d": found.by_day[:, index] for index, day in enumerate((30, 60, 90))},
        "median_days": pa.array(found.median_days, from_pandas=True),
        "median_days_if_returning": pa.array(found.median_if_returning, from_pandas=True),
        "best_weekday": pa.array((hours.bin // 24).astype(np.int8), mask=none),
        "best_hour": pa.array((hours.bin % 24).astype(np.int8), mask=none),
        "best_hour_rate": pa.array(hours.rate, from_pandas=True),
        "hour_basis": pa.array([one.value for one in basis], pa.string()),
        "hour_reason": pa.array(reasons, pa.string()),
        "good_hours": pa.array(lists, pa.list_(pa.int8())),
        "organic_hour": pa.array(organic.astype("float64"), pa.float64(), from_pandas=True).cast(pa.int8()),
        **{f"answers_{channel}": pa.array(rate, from_pandas=True) for channel, rate in rates.items()},
        "expected_value": pa.array(values.value, from_pandas=True),
        "expected_value_low": pa.array(values.low, from_pandas=True),
        "expected_value_high": pa.array(values.high, from_pandas=True),
    }
    return pa.table(columns, schema=SCHEMA)
