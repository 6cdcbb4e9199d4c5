"""Rules of the house that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("bench", "cli", "contracts", "models", "pipelines", "recovery", "serving", "simulation")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_no_file_is_longer_than_its_subject() -> None:
    files = [*_sources(*ROOMS, "tests"), *(ROOT / "dbt").rglob("models/**/*.sql")]
    long = {
        str(path.relative_to(ROOT)): n for path in files if (n := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert not long


def test_no_function_is_longer_than_a_screen() -> None:
    long = {}
    for path in _sources(*ROOMS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > LONGEST_FUNCTION:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = size
    assert not long


# The API is measured against an application without the platform and against MLflow's own server.
BASELINES = ("bench/serving.py", "bench/serving_bare.py")


@pytest.mark.parametrize(
    ("library", "room"),
    [
        ("dagster", "pipelines"),
        ("dagster_dbt", "pipelines"),
        ("mlflow", "models/tracking"),
        ("anthropic", "recovery/drafting"),
        ("fastapi", "serving"),
    ],
)
def test_a_library_is_imported_in_its_room_only(library: str, room: str) -> None:
    allowed = {*_sources(room), *(ROOT / name for name in BASELINES)}
    outside = [
        str(path.relative_to(ROOT)) for path in _sources(*ROOMS) if path not in allowed and library in _imports(path)
    ]
    assert not outside


def test_simulation_and_pipelines_do_not_know_each_other() -> None:
    assert not [
        path for path in _sources("pipelines", "models", "recovery", "contracts") if "simulation" in _imports(path)
    ]
    ours = set(ROOMS) - {"contracts", "simulation"}
    assert not [path for path in _sources("simulation") if _imports(path) & ours]


@pytest.mark.parametrize(
    "module", ["contracts.published", "models.features", "recovery", "serving.app", "simulation", "cli.main"]
)
def test_a_room_loads_in_a_fresh_interpreter_without_environment(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", f"import {module}"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_in_the_project_names_a_package_registry_or_a_machine() -> None:
    words = [
        b"/wor" + b"k/",
        b"/roo" + b"t/",
        b"index" + b"-url",
        b"pythonhosted" + b".org",
        b"registry.npmjs" + b".org",
    ]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    found = []
    for name in filter(None, tracked):
        path = ROOT / name.decode()
        if path.is_file() and any(word in path.read_bytes() for word in words):
            found.append(name.decode())
    assert not found
