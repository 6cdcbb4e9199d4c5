"""One assessment from file to report: reads, calls the science, writes `assess.json` and `index.html`, keeps a run."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from contracts.errors import BadInputError
from contracts.files import sha256_file, write_atomic
from contracts.settings import Settings
from models.assess.assessment import Assessment, AssessPlan, assess
from pipelines.assess.page import render_page
from pipelines.assess.reading import read_table
from pipelines.assess.request import Request
from pipelines.assess.result import refusal, to_json

JSON_NAME: Final = "assess.json"
PAGE_NAME: Final = "index.html"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """Where an assessment lies, and what it says.

    Attributes:
        found: the assessment.
        values: content of `assess.json`.
        folder: where both files are.
        run_id: the MLflow run, None when none was kept.
    """

    found: Assessment
    values: dict[str, Any]
    folder: Path
    run_id: str | None


def assess_file(
    path: Path,
    request: Request,
    *,
    out: Path,
    settings: Settings,
    track: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Assess a flat file and write its report into `out`; an earlier report there is replaced.

    Raises:
        BadInputError: nothing can be told; `assess.json` then says why, and an older page is removed.
    """
    started = time.perf_counter()
    for name in (JSON_NAME, PAGE_NAME):  # whatever happens, yesterday's report does not stand for today's
        (out / name).unlink(missing_ok=True)
    try:
        found = _assess(path, request, settings, progress)
    except BadInputError as error:
        words = f"{error.what} {error.remedy}".strip()
        _write_json(out, refusal(words, seconds=time.perf_counter() - started))
        raise
    seconds = time.perf_counter() - started
    values = to_json(found, seconds=seconds)
    _write_json(out, values)
    write_atomic(out / PAGE_NAME, render_page(found, label=request.label, seconds=seconds).encode())
    run_id = None
    if track:
        if progress:
            progress("keeping the run in MLflow")
        run_id = _track(path, request, values, out, settings)
    return Report(found, values, out, run_id)


def _assess(path: Path, request: Request, settings: Settings, progress: Progress | None) -> Assessment:
    with tempfile.TemporaryDirectory(prefix="assess-") as folder:
        if progress:
            progress("reading the table")
        table = read_table(
            path, request, folder=Path(folder), memory=settings.duckdb_memory, threads=settings.duckdb_threads
        )
    plan = AssessPlan(
        test_share=request.test_share,
        cost=request.cost,
        control=request.control,
        seed=request.seed,
        threads=settings.duckdb_threads,
    )
    try:
        return assess(table, plan, progress=progress)
    except BadInputError as error:
        raise BadInputError(error.what, where=error.where or str(path), remedy=error.remedy) from error


def _write_json(out: Path, values: dict[str, Any]) -> None:
    write_atomic(out / JSON_NAME, json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False).encode() + b"\n")


def _track(path: Path, request: Request, values: dict[str, Any], out: Path, settings: Settings) -> str:
    from models.tracking.assessments import log_assessment
    from models.tracking.store import Tracking

    tracking = Tracking(settings.tracking_uri, _artifacts(settings))
    return log_assessment(
        tracking,
        digest=sha256_file(path),
        params={
            **{name: "" if value is None else value for name, value in asdict(request).items() if name != "drop"},
            "drop": json.dumps(request.drop, ensure_ascii=False),
            "model": values["model"],
            "protocol": values["protocol"],
        },
        values=values,
        files=(out / JSON_NAME, out / PAGE_NAME),
    )


def _artifacts(settings: Settings) -> Path | None:
    return None if settings.mlflow_tracking_uri else settings.var_dir / "mlflow" / "artifacts"
