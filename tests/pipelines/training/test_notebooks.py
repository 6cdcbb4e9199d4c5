"""Every notebook runs to its end on a lived-in installation, reads only, draws, and is kept without outputs."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import dagster as dg
import nbformat
import pytest
from nbclient import NotebookClient

from pipelines.scoring import timing_assets
from tests.models.marts import AS_OF, engine_at
from tests.pipelines.scoring.touches import add_touches
from tests.pipelines.training.conftest import Installation

pytestmark = pytest.mark.xdist_group("lived")  # one worker builds the installation for all
FOLDER = Path(__file__).parents[3] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
_KEYS = (["marts", "lead_snapshots"], ["marts", "lead_labels"], ["marts", "dim_people"], ["marts", "fct_activities"],
         ["scores", "lead_scores"], ["training", "uplift_model"])  # fmt: skip


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory, lived: Installation) -> Path:
    """The lived-in installation with touches and their timing."""
    place = tmp_path_factory.mktemp("notebooks") / "var"
    shutil.copytree(lived.engine.settings.var_dir, place)
    engine = engine_at(place)
    add_touches(engine)
    done = dg.materialize(
        [*timing_assets.ASSETS, *(dg.AssetSpec(dg.AssetKey(key)) for key in _KEYS)],
        selection=[timing_assets.LEAD_TIMING],
        partition_key=AS_OF.isoformat(),
        resources={"engine": engine},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert done.success
    return place


def _content(var: Path) -> dict[str, str]:
    kept = ("published", "warehouse", "models")
    files = [path for name in kept for path in sorted((var / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(var)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _run(notebook: nbformat.NotebookNode, var: Path, monkeypatch: pytest.MonkeyPatch) -> list[nbformat.NotebookNode]:
    monkeypatch.setenv("RECOVERY_VAR_DIR", str(var))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setenv("MPLCONFIGDIR", str(var.parent / "matplotlib"))
    monkeypatch.setenv("IPYTHONDIR", str(var.parent / "ipython"))
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end_and_changes_nothing(path: Path, var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    had = _content(var)
    outputs = _run(nbformat.read(path, as_version=4), var, monkeypatch)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert _content(var) == had


def test_there_are_five_and_they_are_kept_without_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        "did_yesterdays_scores_come_true", "how_the_label_is_built", "is_the_model_any_good",
        "what_drives_reactivation", "when_and_how_people_answer",
    ]  # fmt: skip
    for path in NOTEBOOKS:
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells), path.name
