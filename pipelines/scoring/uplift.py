"""What each channel with evidence would change for everyone scored."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from contracts.published import PublishedManifest, publish, read_manifest, read_published
from pipelines.resources import Engine
from pipelines.scoring.frames import SNAPSHOTS
from pipelines.training.uplift import UpliftDay, make_uplift

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DATASET: Final = "lead_uplift"
TABLE: Final = "scores.lead_uplift"
RETEST_SHARE: Final = 0.05  # of the accounts of a harmed group; else nobody would ever learn that contact helps again
SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("person_id", pa.string()),
        ("channel", pa.string()),
        ("p_no_contact", pa.float64()),
        ("p_contact", pa.float64()),
        ("is_harmed", pa.bool_()),
        ("is_retest", pa.bool_()),
    ]
)


def uplift_day(engine: Engine, *, as_of: date) -> PublishedManifest:
    """Publish p with and without contact of everyone scored, and fill `scores.lead_uplift`.

    A day whose scores and uplift models are the same is kept.
    """
    root = engine.settings.published_dir
    scores = read_manifest(root, dataset="lead_scores", as_of=as_of)
    day = make_uplift(engine, as_of=as_of)
    name = f"{day.name}:{scores.sha256 if scores else 'none'}"
    known = read_manifest(root, dataset=DATASET, as_of=as_of)
    if known is not None and known.facts.get("fingerprint") == name:
        table = read_published(root, dataset=DATASET, as_of=as_of)
        manifest = known
    else:
        table = _table(engine, as_of, day) if scores is not None else SCHEMA.empty_table()
        manifest = publish(
            root, dataset=DATASET, as_of=as_of, table=table, facts=_facts(day, table) | {"fingerprint": name}
        )
    with engine.warehouse.open() as connection:
        engine.warehouse.replace_partition(connection, table=TABLE, rows=table, as_of=as_of)
    return manifest


def _table(engine: Engine, as_of: date, day: UpliftDay) -> pa.Table:
    from pipelines.training.frames import read_people

    models = {name: channel.model for name, channel in sorted(day.channels.items()) if channel.model is not None}
    if not models:
        return SCHEMA.empty_table()
    features = {spec.name: spec for model in models.values() for spec in model.features}
    scored = read_published(engine.settings.published_dir, dataset="lead_scores", as_of=as_of, columns=["person_id"])[
        "person_id"
    ].to_pylist()
    with engine.warehouse.open() as connection:
        if not engine.warehouse.exists(connection, SNAPSHOTS):
            return SCHEMA.empty_table()
        frame = read_people(connection, as_of=as_of, features=tuple(features.values()))
    frame = frame[frame["person_id"].isin(scored)].reset_index(drop=True)
    parts = [_of_channel(frame, name, model, as_of) for name, model in models.items()]
    return pa.concat_tables(parts).sort_by([("person_id", "ascending"), ("channel", "ascending")])


def _of_channel(frame: pd.DataFrame, channel: str, model: Any, as_of: date) -> pa.Table:
    import numpy as np

    contacted, spared = model.both(frame)
    below = model.harmed_below
    harmed = np.zeros(len(frame), dtype=bool) if below is None else contacted - spared <= below
    return pa.table(
        {
            "as_of_date": pa.array([as_of] * len(frame), pa.date32()),
            "person_id": pa.array(frame["person_id"].tolist(), pa.string()),
            "channel": pa.array([channel] * len(frame), pa.string()),
            "p_no_contact": spared,
            "p_contact": contacted,
            "is_harmed": harmed,
            "is_retest": harmed & _drawn(frame, channel, as_of),
        },
        schema=SCHEMA,
    )


def _drawn(frame: pd.DataFrame, channel: str, as_of: date) -> NDArray[np.bool_]:
    """Accounts (else persons) drawn for the re-test of a quarter."""
    import numpy as np
    import pandas as pd

    unit = frame["account_id"].astype(object).where(frame["account_id"].notna(), frame["person_id"])
    quarter = f"|{channel}|{as_of.year}-{(as_of.month - 1) // 3}"
    draw = pd.util.hash_array((unit.astype(str) + quarter).to_numpy(dtype=object)).astype(np.float64) / 2.0**64
    return np.asarray(draw < RETEST_SHARE)


def _facts(day: UpliftDay, table: pa.Table) -> dict[str, Any]:
    usable = sorted(name for name, channel in day.channels.items() if channel.model is not None)
    harmed = table["is_harmed"].to_numpy().sum() if table.num_rows else 0
    return {
        "channels": usable,
        "harmed": int(harmed),
        "reasons": {name: channel.report.reason for name, channel in sorted(day.channels.items())},
        "reason": day.reason,
    }
