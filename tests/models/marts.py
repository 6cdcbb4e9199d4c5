"""Hand-made marts for the training and scoring stages: the panel of `world` with every declared feature."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from models.features import FEATURES
from pipelines.resources import Engine
from tests.models.world import panel

AS_OF = date(2026, 6, 1)
HORIZON, LAG = 30, 2


def engine_at(var: Path, **overrides: object) -> Engine:
    """An installation below a folder, with a fixed clock."""
    settings = {"var_dir": str(var), "min_training_people": 200, "min_training_events": 40} | overrides
    return Engine(root=str(var), overrides=settings, fixed_now="2026-06-01T06:00:00+00:00")


def snapshots(
    *, people: int = 900, weeks: int = 26, last: date = AS_OF, seed: int = 3, strength: float = 1.0
) -> pd.DataFrame:
    """Weekly snapshots with y; every declared feature is there, most of them noise."""
    frame = panel(people=people, weeks=weeks, seed=seed, last=last, strength=strength)
    rng = np.random.default_rng(seed + 1)
    noise = {}
    for spec in FEATURES:
        if spec.name in frame.columns:
            continue
        if spec.kind == "category":
            noise[spec.name] = np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, len(frame))]
        elif spec.kind == "flag":
            noise[spec.name] = (rng.random(len(frame)) < 0.4).astype(float)
        else:
            noise[spec.name] = rng.poisson(2.0, len(frame)).astype(float)
    return pd.concat([frame, pd.DataFrame(noise)], axis=1)


def fill(engine: Engine, frame: pd.DataFrame, *, as_of: date = AS_OF, objectors: tuple[str, ...] = ()) -> None:
    """Write marts as of a date: all snapshots up to it, labels of the mature ones, people and permissions."""
    names = ", ".join(spec.name for spec in FEATURES)
    known = frame[frame["as_of_date"] <= as_of]
    permissions = pd.DataFrame(
        {
            "person_id": pd.Series(list(objectors), dtype=object),
            "channel": "all",
            "stance": "refused",
            "basis": "objection",
            "observed_at": pd.Timestamp(as_of) - pd.Timedelta(days=1),
        }
    )
    with engine.warehouse.open() as connection:
        connection.execute("create schema if not exists marts")
        connection.register("known", known.assign(as_of_date=pd.to_datetime(known["as_of_date"])))
        connection.register("permissions", permissions)
        connection.execute(
            f"""
            create or replace table marts.lead_snapshots as
            select cast(as_of_date as date) as as_of_date, person_id, account_id, 'demo' as source, 'hubspot' as crm,
                'us' as market, true as is_training, {names}
            from known
            """
        )
        connection.execute(
            """
            create or replace table marts.lead_labels as
            select cast(as_of_date as date) as as_of_date, person_id, case when y then 2 else 0 end as level,
                y as is_reactivated, case when y then event_at end as first_event_at,
                cast(null as timestamp) as censored_at,
                cast(as_of_date as date) + cast(? as integer) as label_observed_until
            from known
            where cast(as_of_date as date) + cast(? as integer) <= ?
            """,
            [HORIZON + LAG, HORIZON + LAG, as_of],
        )
        connection.execute(
            """
            create or replace table marts.dim_people as
            select cast(? as date) as as_of_date, person_id, account_id, 'owner-1' as owner_id, 'team-1' as team_id,
                true as is_dormant, null::varchar as not_dormant_reason, person_id || '@x.example' as email,
                null::varchar as phone_e164
            from known where cast(as_of_date as date) = ?
            """,
            [as_of, as_of],
        )
        connection.execute("create or replace table marts.fct_permissions as select * from permissions")


def weeks_before(as_of: date, weeks: int) -> date:
    """A date so many weeks earlier."""
    return as_of - timedelta(weeks=weeks)
