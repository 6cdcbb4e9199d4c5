"""The published table of uplift by channel."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pyarrow as pa

from pipelines.training.uplift import UpliftDay

_INTERVALS: Final = ("average", "qini", "uplift_at_30", "policy_value", "treat_all", "gain_over_all")
_SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("channel", pa.string()),
        ("is_sufficient", pa.bool_()),
        ("rows", pa.int64()),
        ("treated", pa.int64()),
        ("controls", pa.int64()),
        ("control_events", pa.int64()),
        ("learner", pa.string()),
        ("reason", pa.string()),
        ("contacted", pa.float64()),
        ("harmed_groups", pa.int64()),
        *((f"{name}{suffix}", pa.float64()) for name in _INTERVALS for suffix in ("", "_low", "_high")),
    ]
)


def uplift_table(day: UpliftDay, as_of: date) -> pa.Table:
    """One row per channel, by name; intervals as three columns, missing bounds as null."""
    rows: list[dict[str, Any]] = []
    for name, channel in sorted(day.channels.items()):
        report = channel.report
        row = {field: getattr(report, field) for field in _SCHEMA.names if hasattr(report, field)}
        for measure in _INTERVALS:
            value, low, high = getattr(report, measure)
            row |= {measure: value, f"{measure}_low": _known(low), f"{measure}_high": _known(high)}
        rows.append(
            row
            | {
                "as_of_date": as_of,
                "channel": name,
                "learner": report.learner.value,
                "harmed_groups": len(report.harmed),
            }
        )
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _known(value: float) -> float | None:
    return value if value == value else None
