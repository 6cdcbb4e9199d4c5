"""The dbt project's SQL for one day, compiled and put in order, for the bare baseline.

It runs outside the measured time: the baseline is given finished SQL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from bench.rows import ROOT
from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.settings import Settings
from contracts.times import grid_dates
from pipelines.features.dates import DatesPlan, variables

# Source that the pipelines write between the two selections of models.
LINKS: Final = "intermediate.person_links"
# Compiled SQL names the database, and that is the file's name.
WAREHOUSE: Final = "recovery.duckdb"
# Stands in the SQL for the sample of the training panel, which is known only when people have been linked.
MODULUS_MARK: Final = "987654321"


@dataclass(frozen=True, slots=True)
class Statement:
    """One model: `relation` is schema.name, `kind` is table, view or links."""

    relation: str
    kind: str
    sql: str


def day_variables(as_of: date, settings: Settings) -> dict[str, Any]:
    """Variables of a first day: the whole weekly panel, and a mark where the sample will stand."""
    missing = tuple(day for day in grid_dates(as_of, settings.training_weeks) if day != as_of)
    plan = DatesPlan(as_of=as_of, missing=missing, full=(), sample_modulus=int(MODULUS_MARK), fingerprint="")
    return variables(plan, settings)


def compile_project(variables_: Mapping[str, Any], *, scratch: Path) -> list[Statement]:
    """Every model of the project as SQL, in an order that respects their references.

    Args:
        variables_: of the day, as the platform passes them.
        scratch: empty folder for dbt's artefacts and an empty warehouse, so that no model is incremental.

    Raises:
        BadInputError: the project does not compile.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    project = str(ROOT / "dbt")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dbt"), "compile", "--write-json", "--quiet"),
            *("--project-dir", project, "--profiles-dir", project, "--target-path", str(scratch)),
            *("--no-partial-parse", "--no-introspect", "--vars", json.dumps(dict(variables_), sort_keys=True)),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "RECOVERY_WAREHOUSE": str(scratch / WAREHOUSE),
            "RECOVERY_SPILL": str(scratch / "spill"),
            "DBT_TARGET_PATH": str(scratch),
            "DBT_LOG_PATH": str(scratch / "logs"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BadInputError(
            f"The dbt project does not compile: {(done.stdout + done.stderr)[-2000:]}",
            where=project,
            remedy="Run `make lint`.",
        )
    return statements(json.loads((scratch / "manifest.json").read_text(encoding="utf-8")))


def statements(manifest: Mapping[str, Any]) -> list[Statement]:
    """Models of a compiled manifest in an order that respects their references; ties by name.

    Where people are linked to records by code between two selections of models, a statement of kind `links` stands.
    """
    models = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    parents = {key: set(node["depends_on"]["nodes"]) for key, node in models.items()}
    order = _ordered({key: found & models.keys() for key, found in parents.items()})
    after: set[str] = set()
    for key in order:
        if any(parent.endswith(f".{LINKS}") or parent in after for parent in parents[key]):
            after.add(key)
    before = [_statement(models[key]) for key in order if key not in after]
    return [*before, Statement(LINKS, "links", ""), *(_statement(models[key]) for key in order if key in after)]


def _statement(node: Mapping[str, Any]) -> Statement:
    kind = "view" if node["config"]["materialized"] == "view" else "table"
    return Statement(f"{node['schema']}.{node['alias']}", kind, node["compiled_code"])


def _ordered(waiting: dict[str, set[str]]) -> list[str]:
    order: list[str] = []
    while waiting:
        ready = sorted(key for key, parents in waiting.items() if not parents)
        if not ready:
            raise BadInputError("The models refer to each other in a circle.", where="dbt", remedy="Mend the models.")
        order += ready
        waiting = {key: parents - set(ready) for key, parents in waiting.items() if key not in ready}
    return order


def read_statements(path: Path) -> list[Statement]:
    """Statements written by this module."""
    return [Statement(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def write_statements(path: Path, found: Sequence[Statement]) -> None:
    """Write statements for `read_statements`."""
    write_atomic(path, json.dumps([asdict(one) for one in found]).encode())
