"""The day's candidate beside the model in use, on rows that neither has learned from."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from contracts.published import read_manifest, read_published
from contracts.settings import Settings
from pipelines.training.frames import read_panel
from pipelines.training.inputs import Inputs
from pipelines.training.library import MODEL_FILE, TEST_FILE
from pipelines.training.restoring import restored_record
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from models.evaluation.comparison import Capacity, Comparison
    from models.tracking.store import Held, Tracking


def compared(inputs: Inputs, warehouse: Warehouse, before: Held | None, tracking: Tracking) -> Comparison | None:
    """The candidate's twin and the champion on test rows later than the champion's data."""
    import pyarrow.parquet as pq

    from models.evaluation.comparison import compare
    from models.evaluation.slices import slices_of
    from models.scoring.files import load_model

    day, candidate = inputs.day, inputs.candidate
    path = day.library.folder(candidate.fingerprint) / TEST_FILE
    if before is None or not path.exists():
        return None
    record = restored_record(day.library, tracking, before)
    if record is None or record.last_date is None:
        return None
    test: pd.DataFrame = pq.read_table(path).to_pandas()
    # One horizon after the champion's last training date: no outcome of the comparison was in its data.
    test = test[test["as_of_date"] >= record.last_date + timedelta(days=candidate.horizon_days)]
    if len(test) == 0 or not test["y"].any():
        return None
    with warehouse.open() as connection:
        panel = read_panel(connection, day.request)
    rows = test.merge(panel.drop(columns=["y"]), on=["person_id", "as_of_date"], how="inner")
    model = load_model(day.library.folder(before.fingerprint) / MODEL_FILE, sha256=before.model_sha256)
    p_old = model.p(rows)
    return compare(
        y=rows["y"].to_numpy(dtype=bool),
        p_new=rows["p"].to_numpy(),
        p_old=p_old,
        groups=rows["group"].to_numpy(),
        slices=slices_of(rows, p_old, anchor=candidate.base_rate or float(rows["y"].mean())),
        capacity=plan_capacity(rows, day.settings),
        seed=day.settings.seed,
    )


def plan_capacity(rows: pd.DataFrame, settings: Settings) -> Capacity | None:
    """What the plan could do with a ranking of these rows, as far as values were published for them; else None.

    The value of a return is the one published for that person on that date: expected value over p, the kept margin of
    it. So nothing is used that was learned later. Capacity and mean cost are those of all channels together.

    Args:
        rows: person_id and as_of_date of each row.
        settings: capacities and costs by channel, margin.
    """
    import numpy as np

    from models.evaluation.comparison import Capacity

    value = np.full(len(rows), np.nan)
    days = 0
    for day, part in rows.reset_index(drop=True).groupby("as_of_date", sort=True):
        worth = _published_worth(settings.published_dir, cast("date", day))
        if worth is None:
            continue
        value[part.index] = part["person_id"].map(worth).to_numpy(dtype=np.float64)
        days += 1
    valued = int(np.isfinite(value).sum())
    pairs = (
        (settings.capacity_email, settings.cost_email),
        (settings.capacity_sms, settings.cost_sms),
        (settings.capacity_call, settings.cost_call),
        (settings.capacity_crm_task, settings.cost_call),
    )
    places = sum(places for places, _ in pairs)
    if not valued or not places:
        return None
    cost = sum(places * cost for places, cost in pairs) / places
    return Capacity(share=min(1.0, places * days / valued), value=settings.margin * value, cost=cost)


def _published_worth(published: Path, day: date) -> pd.Series[float] | None:
    """Value of a return by person as it was published on a date; None where it was not."""
    if any(read_manifest(published, dataset=name, as_of=day) is None for name in ("lead_scores", "lead_timing")):
        return None
    scores = read_published(published, dataset="lead_scores", as_of=day, columns=["person_id", "p"]).to_pandas()
    columns = ["person_id", "expected_value"]
    timing = read_published(published, dataset="lead_timing", as_of=day, columns=columns).to_pandas()
    both = scores.merge(timing, on="person_id").dropna(subset=["expected_value"]).set_index("person_id")
    worth: pd.Series[float] = both["expected_value"] / both["p"]
    return worth if len(both) else None
