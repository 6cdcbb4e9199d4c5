"""What a plan costs and risks, beside what it is expected to bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from contracts.settings import Settings
from contracts.words import Channel
from recovery.delivery.exposure import NO_FIGURE, exposure


def exposed_words(row: Mapping[str, Any]) -> str:
    """Amount of a line of `exposure` among the facts of a plan."""
    if row["currency"] == NO_FIGURE:
        return "unknown"
    return f"{row['amount']:,.0f} {row['currency']}{' in all' if row['is_cap'] else ''}"


def cost_facts(table: pa.Table, people: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """Agent minutes, cost of words and worst-case legal exposure of the contacted.

    Args:
        table: the plan's rows.
        people: columns person_id and country.
        settings: minutes per task.
    """
    rows = table.filter(pc.equal(table["decision"], "contacted"))
    countries = dict(zip(people["person_id"], people["country"].astype("object"), strict=True))
    counted: Counter[tuple[str | None, Channel]] = Counter()
    for person, channel in zip(rows["person_id"].to_pylist(), rows["channel"].to_pylist(), strict=True):
        country = countries.get(person)
        counted[country if isinstance(country, str) else None, Channel(channel)] += 1
    by_channel: Counter[Channel] = Counter()
    for (_, channel), count in counted.items():
        by_channel[channel] += count
    lines = exposure(counted)
    return {
        "agent_minutes": round(
            by_channel[Channel.CALL] * settings.minutes_per_call
            + by_channel[Channel.CRM_TASK] * settings.minutes_per_crm_task,
            1,
        ),
        "cost_words": 0.0,  # templates cost nothing
        "exposure": [
            {
                "law": line.law,
                "messages": line.messages,
                "amount": line.amount,
                "currency": line.currency,
                "is_cap": line.is_cap,
            }
            for line in lines
        ],
    }
