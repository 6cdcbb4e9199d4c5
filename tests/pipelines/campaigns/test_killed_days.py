"""A process killed by SIGKILL at any moment of the emission: the next run ends with the same bytes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.campaigns.inputs import open_day_ledger
from pipelines.resources import PROJECT_ROOT
from tests.pipelines.campaigns.world import DAY, World

pytestmark = pytest.mark.xdist_group("killed_days")
MOMENTS = ("record_batch", "writing", "emit", "mark_emitted", "publish")
# What stands after the kill: state in the ledger (None: no batch), and whether the outbox shows the batch.
LEFT = {
    "record_batch": ("recorded", False),
    "writing": ("approved", False),
    "emit": ("approved", False),
    "mark_emitted": ("approved", True),
    "publish": ("emitted", True),
}


@dataclass(frozen=True)
class Killed:
    folders: dict[str, Path]
    ended: dict[str, str]
    undisturbed: World


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    base = tmp_path_factory.mktemp("killed")
    World(base / "template").write()
    folders = {moment: base / moment for moment in (*MOMENTS, "undisturbed")}
    for folder in folders.values():
        shutil.copytree(base / "template", folder)
    arguments = [f"{moment}={folders[moment]}" for moment in MOMENTS]
    script = "tests.pipelines.campaigns.killed_days"
    done = subprocess.run(
        [sys.executable, "-m", script, *arguments],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    undisturbed = World(folders["undisturbed"])
    undisturbed.day()
    return Killed(folders, dict(line.split() for line in done.stdout.splitlines()), undisturbed)


def state(world: World) -> tuple[str | None, bool]:
    with open_day_ledger(world.engine().settings) as ledger:
        record = ledger.batch_of(as_of=DAY, sender_id="main")
    shown = [path for path in world.outbox.glob("*") if not path.name.startswith(".")] if world.outbox.exists() else []
    return (record.state.value if record else None), bool(shown)


def ledger_rows(world: World) -> list[dict[str, Any]]:
    with open_day_ledger(world.engine().settings) as ledger:
        rows: list[dict[str, Any]] = ledger.read_assignments().to_pylist()
        return rows


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_day_is_finished_with_the_same_bytes(killed: Killed, moment: str) -> None:
    assert killed.ended[moment] == "9"
    world, whole = World(killed.folders[moment]), killed.undisturbed
    assert state(world) == LEFT[moment]
    shown = {name: data for name, data in world.outbox_bytes().items() if not name.startswith(".")}
    assert shown in ({}, whole.outbox_bytes())  # all or nothing
    world.day()
    assert state(world) == ("emitted", True)
    assert world.outbox_bytes() == whole.outbox_bytes()
    assert world.plan() == whole.plan()
    assert ledger_rows(world) == ledger_rows(whole)
    for dataset in ("campaign_plan", "campaign_batch", "campaign_results"):
        assert world.facts(dataset) == whole.facts(dataset)
