"""MLflow's store appears whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from models.tracking.birth import create_store
from models.tracking.store import Tracking

KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from models.tracking.birth import create_store

seen = 0

@sa.event.listens_for(sa.engine.Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    global seen
    seen += "_alembic_tmp_" in statement
    if seen == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

create_store(sys.argv[1], None)
"""


@pytest.mark.parametrize("statement", [1, 12])
def test_a_store_whose_making_was_killed_is_made_again(tmp_path: Path, statement: int) -> None:
    path = tmp_path / "mlflow" / "mlflow.sqlite"
    uri = f"sqlite:///{path}"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, uri, str(statement)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert killed.returncode == -9
    assert not path.exists()
    assert Tracking(uri, tmp_path / "artifacts").experiment_id == "1"
    assert sorted(one.name for one in path.parent.glob("*.making*")) == []


def test_the_experiment_opens_on_its_training_runs(tmp_path: Path) -> None:
    tracking = Tracking(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts")
    found = tracking.client.get_experiment(tracking.experiment_id)
    assert found.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_store_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.sqlite"
    create_store(f"sqlite:///{path}", None)
    with sqlite3.connect(path) as connection:
        connection.execute("create table ours (one integer)")
    create_store(f"sqlite:///{path}", None)
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from ours").fetchone() == (0,)


def test_a_store_on_a_server_is_left_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create_store("http://127.0.0.1:9", None)
    assert list(tmp_path.iterdir()) == []
