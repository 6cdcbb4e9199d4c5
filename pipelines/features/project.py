"""The dbt project of this installation: its parsed manifest and runs of it inside this process.

Parsing takes seconds and depends on code alone, so it happens once at set-up; a run passes the parsed project on. In
process a build starts in 0.1 s, as a subprocess in about 3 s.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from contracts.errors import PermanentError
from contracts.files import write_atomic
from pipelines.warehouse import Warehouse

_STAMP: Final = "code.sha256"
_CODE_SUFFIXES: Final = (".sql", ".yml")


@dataclass(frozen=True)
class NodeResult:
    """What became of one dbt node.

    Attributes:
        unique_id: dbt's id, such as `model.recovery.dim_people`.
        status: success, pass, warn, fail, error or skipped.
        failures: rows that a test found.
        message: dbt's words on an error, else empty.
        seconds: execution time.
    """

    unique_id: str
    status: str
    failures: int
    message: str
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether the node did what it should."""
        return self.status in ("success", "pass")


def code_fingerprint(project_root: Path) -> str:
    """Hex SHA-256 over every SQL and YAML file of the dbt project."""
    digest = hashlib.sha256()
    dbt_dir = project_root / "dbt"
    for path in sorted(p for p in dbt_dir.rglob("*") if p.suffix in _CODE_SUFFIXES):
        digest.update(path.relative_to(dbt_dir).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def prepare_manifest(project_root: Path, var_dir: Path) -> Path:
    """Parse the dbt project unless it was parsed as it is now; returns the path of `manifest.json`.

    Needs neither warehouse nor network. Safe when several processes start at once.

    Raises:
        PermanentError: the project does not parse.
    """
    target = target_dir(var_dir)
    target.mkdir(parents=True, exist_ok=True)
    manifest, stamp = target / "manifest.json", target / _STAMP
    with FileLock(target / ".parse.lock"):
        code = code_fingerprint(project_root)
        if manifest.exists() and stamp.exists() and stamp.read_text() == code:
            return manifest
        stamp.unlink(missing_ok=True)
        (target / "partial_parse.msgpack").unlink(missing_ok=True)
        with _environment(var_dir, None):
            result = _runner(None).invoke(["parse", *_common_arguments(project_root)])
        if not result.success:
            raise PermanentError(
                f"The dbt project does not parse: {result.exception}",
                where=str(project_root / "dbt"),
                remedy="Mend the named file and run `make setup` again.",
            )
        write_atomic(stamp, code.encode())
    return manifest


def read_manifest(project_root: Path, var_dir: Path) -> dict[str, Any]:
    """Manifest of the project as it is now, parsed first when it is missing or stale."""
    manifest: dict[str, Any] = json.loads(prepare_manifest(project_root, var_dir).read_bytes())
    return manifest


def target_dir(var_dir: Path) -> Path:
    """Folder of dbt's artefacts."""
    return (var_dir / "dbt" / "target").absolute()


class DbtProject:
    """Builds selections of the project against one warehouse, in this process.

    Args:
        project_root: folder that holds `dbt/`.
        manifest_dir: state folder whose `dbt/target` holds the parsed project.
        warehouse: DuckDB file and its limits; nobody may have it open meanwhile.
    """

    def __init__(self, *, project_root: Path, manifest_dir: Path, warehouse: Warehouse) -> None:
        self._root = project_root
        self._manifest_dir = manifest_dir
        self._warehouse = warehouse

    def build(
        self, *, select: Sequence[str], variables: Mapping[str, Any], exclude: Sequence[str] = ()
    ) -> tuple[NodeResult, ...]:
        """`dbt build` of a selection without unit tests; a failed node is a result, not an exception.

        Raises:
            PermanentError: dbt could not run at all.
        """
        arguments = ["build", "--select", *select, "--exclude-resource-type", "unit_test"]
        if exclude:
            arguments += ["--exclude", *exclude]
        return self._invoke(arguments, variables)

    def test_units(self, *, variables: Mapping[str, Any]) -> tuple[NodeResult, ...]:
        """Run the unit tests that stand beside the models; their tables must exist, whatever they hold.

        Raises:
            PermanentError: dbt could not run at all.
        """
        return self._invoke(["test", "--select", "test_type:unit"], variables)

    def _invoke(self, arguments: list[str], variables: Mapping[str, Any]) -> tuple[NodeResult, ...]:
        arguments += ["--vars", json.dumps(dict(variables), sort_keys=True), "--no-write-json"]
        prepare_manifest(self._root, self._manifest_dir)
        with _environment(self._manifest_dir, self._warehouse):
            runner = _runner(target_dir(self._manifest_dir) / "partial_parse.msgpack")
            try:
                result = runner.invoke([*arguments, *_common_arguments(self._root)])
            finally:
                _release_warehouse()
        if result.exception is not None or result.result is None:
            raise PermanentError(
                f"dbt could not run: {result.exception}",
                where=str(self._root / "dbt"),
                remedy="Run `recovery doctor`; the dbt log is below var/dbt/logs.",
            )
        return tuple(_node_result(one) for one in result.result.results)


def _node_result(result: Any) -> NodeResult:
    status = str(getattr(result.status, "value", result.status))
    return NodeResult(
        unique_id=result.node.unique_id,
        status=status,
        failures=int(result.failures or 0),
        message=str(result.message or "") if status in ("error", "fail", "warn", "runtime error") else "",
        seconds=float(result.execution_time or 0.0),
    )


def _common_arguments(project_root: Path) -> list[str]:
    dbt_dir = str(project_root / "dbt")
    return ["--project-dir", dbt_dir, "--profiles-dir", dbt_dir, "--quiet", "--log-level", "none"]


def _runner(manifest: Path | None) -> Any:
    # Here, because importing dbt takes a second that only a run or a parse should pay.
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    if manifest is None:
        return dbtRunner()
    loaded = Manifest.from_msgpack(manifest.read_bytes())
    loaded.build_flat_graph()
    return dbtRunner(manifest=loaded)


def _release_warehouse() -> None:
    """Close dbt's own connection: it would keep the file locked with settings that are not ours."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
    DuckDBConnectionManager.close_all_connections()


@contextmanager
def _environment(var_dir: Path, warehouse: Warehouse | None) -> Iterator[None]:
    """Environment variables that profiles.yml and dbt_project.yml read, for the time of one call."""
    target = target_dir(var_dir)
    values = {
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target.parent / "logs"),
        "DO_NOT_TRACK": "true",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    if warehouse is not None:
        values |= {
            "RECOVERY_WAREHOUSE": str(warehouse.path.absolute()),
            "RECOVERY_DUCKDB_MEMORY": warehouse.memory,
            "RECOVERY_DUCKDB_THREADS": str(warehouse.threads),
            "RECOVERY_SPILL": str(warehouse.path.absolute().parent / "spill"),
        }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
