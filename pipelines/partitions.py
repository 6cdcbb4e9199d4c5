"""Partitions of the day: the key is the as-of date, available from its 00:00 UTC."""

from __future__ import annotations

import warnings
from datetime import date

import dagster as dg

# The parameter is beta in Dagster; the one policy used here is the oldest behaviour it has.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

# Early enough for histories that are replayed, such as public example tables.
FIRST_DATE = "2012-01-01"

# A backfill of a range is one run a day: each day sees only what was observed before it.
ONE_RUN_PER_DAY = dg.BackfillPolicy.multi_run(1)

daily = dg.DailyPartitionsDefinition(start_date=FIRST_DATE, timezone="UTC", end_offset=1)


def as_of_date(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """As-of date of the running partition."""
    return date.fromisoformat(context.partition_key)
