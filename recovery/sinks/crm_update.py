"""Score, reasons and next step per CRM record, ready to be imported back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from contracts.words import Crm
from recovery.sinks.formula import guard

CRM_UPDATE_SCHEMA: Final = pa.schema(
    [
        ("record_id", pa.string()),
        ("record_object", pa.string()),
        ("score", pa.int32()),
        ("tier", pa.string()),
        ("percent", pa.float64()),
        ("reason_1", pa.string()),
        ("reason_2", pa.string()),
        ("reason_3", pa.string()),
        ("next_step", pa.string()),
        ("owner", pa.string()),
    ]
)


def write_crm_updates(folder: Path, updates: pa.Table) -> dict[str, int]:
    """Write `crm_update_<crm>.csv` per CRM; returns rows by file name.

    Args:
        folder: exists.
        updates: column `crm` and those of `CRM_UPDATE_SCHEMA`, in their final order.
    """
    written: dict[str, int] = {}
    for crm in Crm:
        rows = updates.filter(pc.equal(updates["crm"], crm.value))
        if rows.num_rows == 0:
            continue
        name = f"crm_update_{crm.value}.csv"
        table = rows.select(CRM_UPDATE_SCHEMA.names).cast(CRM_UPDATE_SCHEMA)
        pv.write_csv(_guarded(table), folder / name)
        written[name] = int(rows.num_rows)
    return written


def _guarded(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(index, field, _guard_column(table[field.name]))
    return table


def _guard_column(column: Any) -> Any:
    """Guard each distinct value once."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    safe = [None if text is None else guard(text) for text in encoded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(safe, pa.string())).cast(pa.string())
