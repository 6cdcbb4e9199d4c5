"""The unit tests that stand beside the dbt models, on tables that are there and empty."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from contracts.words import Basis
from pipelines.features import dates
from pipelines.features.project import DbtProject
from pipelines.resources import PROJECT_ROOT
from tests.pipelines.features import raw_world as raw

AS_OF = date(2026, 6, 1)

pytestmark = pytest.mark.xdist_group("dbt_units")


def declared() -> set[str]:
    """Names of the unit tests in the project's files."""
    files = (PROJECT_ROOT / "dbt" / "models").rglob("_unit_tests.yml")
    return {test["name"] for path in files for test in yaml.safe_load(path.read_text())["unit_tests"]}


def test_every_unit_test_of_the_dbt_project_holds(tmp_path: Path) -> None:
    stage = raw.stage(tmp_path)
    with stage.warehouse.open() as connection:
        raw.make_raw(connection)
    raw.run(stage, AS_OF)
    plan = dates.DatesPlan(as_of=AS_OF, missing=(), full=(), sample_modulus=1, fingerprint="")
    project = DbtProject(project_root=stage.project_root, manifest_dir=stage.manifest_dir, warehouse=stage.warehouse)
    nodes = project.test_units(variables=dates.variables(plan, stage.settings))
    assert [(node.unique_id, node.message) for node in nodes if not node.is_good] == []
    assert {node.unique_id.split(".")[-1] for node in nodes} == declared()
    assert len(nodes) >= 14


def test_grounds_of_permission_files_are_those_of_the_contracts() -> None:
    macros = (PROJECT_ROOT / "dbt" / "macros" / "refusals.sql").read_text(encoding="utf-8")
    known = macros.split("macro is_refusing_basis")[1].split("endmacro")[0]
    assert set(re.findall(r"'([a-z_]+)'", known)) == set(Basis)
