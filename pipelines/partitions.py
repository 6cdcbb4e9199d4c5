"""Partitions of the day: the key is the as-of date, available from its 00:00 UTC."""

from __future__ import annotations

from datetime import date

import dagster as dg

# Early enough for histories that are replayed, such as public example tables.
FIRST_DATE = "2012-01-01"

daily = dg.DailyPartitionsDefinition(start_date=FIRST_DATE, timezone="UTC", end_offset=1)


def as_of_date(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """As-of date of the running partition."""
    return date.fromisoformat(context.partition_key)
