"""The as-of date that a run takes when none is given."""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.warehouse import Warehouse


def default_as_of(warehouse: Warehouse) -> date | None:
    """Day after the newest observation in the raw tables; None when they hold no dated row.

    An observation is a stamp of creation or occurrence that is not later than its export.
    """
    with warehouse.open() as connection:
        if not warehouse.exists(connection, "raw.landings"):
            return None
        row = connection.execute(
            "select max(newest_observed_at)::date from raw.landings where not is_superseded"
        ).fetchone()
    newest: date | None = row[0] if row else None
    return newest + timedelta(days=1) if newest is not None else None
