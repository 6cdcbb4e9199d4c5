"""The contract at the door, in Great Expectations: accepted rows (a sample) and the share of rejected ones.

The library is imported only when a file newly landed; it sees a pandas frame and keeps nothing.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import duckdb

from pipelines.ingest.aliases import Kind, ObjectSpec
from pipelines.ingest.judge import Judgement
from pipelines.ingest.reading import quoted

if TYPE_CHECKING:
    import pandas as pd

# The rules are those that SQL has applied to every row; a sample shows whether it did.
MAX_SAMPLE: Final = 20_000
_SHARE: Final = "reject_share"  # a column of the frame with one value throughout
_EMAIL: Final = r"^[^@\s]+@[^@\s]+\.[^@\s.]+$"
_PHONE: Final = r"^\+[1-9]\d{5,14}$"
_CODE: Final = r"^[A-Z]{2}$"


@dataclass(frozen=True)
class Verdict:
    """Result of one expectation: how many values were checked and how many were unexpected, never which values."""

    expectation: str
    column: str
    is_met: bool
    checked: int
    unexpected: int

    @property
    def words(self) -> str:
        """The expectation that failed, for an error text."""
        if self.column == _SHARE:
            return "too many rows are rejected"
        return f"{self.expectation.removeprefix('expect_column_').replace('_', ' ')} fails for '{self.column}'"


def validate(
    connection: duckdb.DuckDBPyConnection,
    spec: ObjectSpec,
    judgement: Judgement,
    *,
    max_reject_share: float,
    sample_rows: int = MAX_SAMPLE,
) -> list[Verdict]:
    """Validate the accepted rows in `judged` and the reject share of `judgement`.

    The sample is every k-th accepted row by a hash of its number: the same file gives the same sample.
    """
    frame = _sample(connection, spec, judgement, sample_rows)
    share = judgement.rows_rejected / judgement.rows_in if judgement.rows_in else 0.0
    wanted = (("between", _SHARE, {"max_value": max_reject_share}),)
    if len(frame) == 0:
        return _run(_share_frame(share), wanted)
    return _run(frame.assign(**{_SHARE: share}), wanted + rules(spec, judgement.present))


def rules(spec: ObjectSpec, present: tuple[str, ...]) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """What accepted rows of an object promise: (kind of rule, column, arguments)."""
    found: list[tuple[str, str, dict[str, Any]]] = [("not_null", name, {}) for name in spec.required]
    if spec.key is not None:
        found.append(("unique", spec.key, {}))
    patterns = {Kind.EMAIL: _EMAIL, Kind.PHONE: _PHONE, Kind.COUNTRY: _CODE}
    for kind, pattern in patterns.items():
        found += [("regex", name, {"regex": pattern}) for name in spec.of_kind(kind) if name in present]
    if "level" in spec.required:
        found.append(("between", "level", {"min_value": 1, "max_value": 4}))
    return tuple(found)


def _sample(connection: duckdb.DuckDBPyConnection, spec: ObjectSpec, judgement: Judgement, limit: int) -> pd.DataFrame:
    names = sorted({column for _, column, _ in rules(spec, judgement.present)})
    if not names or judgement.rows_loaded == 0:
        import pandas as pd

        return pd.DataFrame()
    fields = ", ".join(f"j.{quoted(name)}" for name in names)
    step = -(-judgement.rows_loaded // limit)
    chosen = f"where hash(j._row_number) % {step} = 0" if step > 1 else ""
    return connection.execute(
        f"select {fields} from judged j anti join judged_rejects r on j._row_number = r.row_number "
        f"{chosen} order by j._row_number limit {limit}"
    ).df()


def _share_frame(share: float) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({_SHARE: [share]})


@functools.cache
def _library() -> Any:
    """Great Expectations with its telemetry and progress bars off."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx


@functools.cache
def _door() -> Any:
    """Batch definition of an ephemeral context; made once, as each costs as much as a validation."""
    context = _library().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return (
        context.data_sources.add_pandas("door").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    )


def _run(frame: pd.DataFrame, wanted: tuple[tuple[str, str, dict[str, Any]], ...]) -> list[Verdict]:
    gx = _library()
    kinds = {
        "not_null": gx.expectations.ExpectColumnValuesToNotBeNull,
        "unique": gx.expectations.ExpectColumnValuesToBeUnique,
        "regex": gx.expectations.ExpectColumnValuesToMatchRegex,
        "between": gx.expectations.ExpectColumnValuesToBeBetween,
    }
    with warnings.catch_warnings(), contextlib.redirect_stderr(None):
        warnings.simplefilter("ignore")
        suite = gx.ExpectationSuite(
            name="door", expectations=[kinds[kind](column=column, **more) for kind, column, more in wanted]
        )
        outcome = _door().get_batch({"dataframe": frame}).validate(suite, result_format="BASIC")
    verdicts = [_verdict(result, len(frame)) for result in outcome.results]
    return sorted(verdicts, key=lambda item: (item.column, item.expectation))


def _verdict(result: Any, rows: int) -> Verdict:
    details = result.result or {}
    column = str(result.expectation_config.kwargs["column"])
    checked = int(details.get("element_count", rows))
    unexpected = int(details.get("unexpected_count", 0))
    return Verdict(
        expectation=str(result.expectation_config.type),
        column=column,
        is_met=bool(result.success),
        checked=min(checked, 1) if column == _SHARE else checked,
        unexpected=min(unexpected, 1) if column == _SHARE else unexpected,
    )
