"""Touches and answers on a hand-made warehouse."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.resources import Engine


def add_touches(engine: Engine) -> None:
    """Three touches a person; those of Tuesday 10:00 in New York are answered four times as often."""
    rng = np.random.default_rng(6)
    with engine.warehouse.open() as connection:
        people = connection.execute("select person_id from marts.dim_people order by 1").df()["person_id"].tolist()
        rows = []
        for person in people:
            for week in range(3):
                is_best = rng.random() < 0.3
                at = pd.Timestamp("2026-04-07 14:00") + pd.Timedelta(weeks=week)
                at = at if is_best else at + pd.Timedelta(hours=int(rng.integers(20, 90)))
                rows.append((person, at, "email", "outbound", False, 0, None))
                if rng.random() < (0.6 if is_best else 0.15):
                    rows.append((person, at + pd.Timedelta(hours=3), "email", "inbound", True, 2, "organic"))
        names = ["person_id", "occurred_at", "kind", "direction", "is_inbound", "outcome_level", "initiative"]
        connection.register("acts", pd.DataFrame(rows, columns=names))
        connection.execute("create or replace table marts.fct_activities as select * from acts")
        connection.execute(
            "create or replace table marts.dim_people as select *, 'America/New_York' as time_zone, 'b2b' as market, "
            "'lead' as lead_kind, cast(null as decimal(18, 2)) as open_amount, cast(null as varchar) as currency "
            "from marts.dim_people"
        )
