"""The day's candidate beside the model in use, on rows that neither has learned from."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pipelines.training.frames import read_panel
from pipelines.training.inputs import Inputs
from pipelines.training.library import MODEL_FILE, TEST_FILE
from pipelines.training.restoring import restored_record
from pipelines.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from models.evaluation.comparison import Comparison
    from models.tracking.store import Held, Tracking

_EDGES: Final = (60.0, 120.0, 240.0)
_SILENT: Final = ("under 60 days", "60 to 119 days", "120 to 239 days", "240 days and more")


def compared(inputs: Inputs, warehouse: Warehouse, before: Held | None, tracking: Tracking) -> Comparison | None:
    """The candidate's twin and the champion on test rows later than the champion's data."""
    import pyarrow.parquet as pq

    from models.evaluation.comparison import compare
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
    return compare(
        y=rows["y"].to_numpy(dtype=bool),
        p_new=rows["p"].to_numpy(),
        p_old=model.p(rows),
        groups=rows["group"].to_numpy(),
        slices=slices_of(rows),
        seed=day.settings.seed,
    )


def slices_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Parts of the people in which a new model must not fail: CRM, and how long they have been silent."""
    import numpy as np

    found: dict[str, Any] = {}
    if "crm_system" in rows.columns:
        found["CRM"] = rows["crm_system"].astype(object).to_numpy()
    if "days_since_last_inbound" in rows.columns:
        found["silent"] = np.array(_SILENT, dtype=object)[
            np.digitize(rows["days_since_last_inbound"].to_numpy(dtype=np.float64), _EDGES)
        ]
    return found
