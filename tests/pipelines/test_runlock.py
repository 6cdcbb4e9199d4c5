from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from contracts.errors import BusyError
from pipelines import resources
from pipelines.resources import Engine
from pipelines.runlock import DRIVER_TAG, UNLOCKED_TAG, take_run_lock


def _run(engine: Engine, tags: dict[str, str]) -> bool:
    """A run that is not started by `recovery run`; whether the lock was held inside it."""
    held: list[bool] = []

    @dg.op
    def look(engine: Engine) -> None:
        path = engine.settings.var_dir / "locks" / "run.lock"
        other = FileLock(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            other.acquire(timeout=0)
            other.release()
            held.append(False)
        except TimeoutError:
            held.append(True)

    @dg.job(resource_defs={"engine": engine}, tags=tags, executor_def=dg.in_process_executor)
    def any_job() -> None:
        look()

    any_job.execute_in_process(instance=dg.DagsterInstance.ephemeral())
    return held[0]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(overrides={"var_dir": str(tmp_path / "var")})


def test_a_run_from_the_daemon_holds_the_lock_and_gives_it_back(engine: Engine) -> None:
    assert _run(engine, {})
    take_run_lock(engine.settings.var_dir, wait_seconds=0).release()


@pytest.mark.parametrize("tag", [DRIVER_TAG, UNLOCKED_TAG])
def test_a_run_that_is_marked_takes_no_lock(engine: Engine, tag: str) -> None:
    assert not _run(engine, {tag: "yes"})


def test_a_run_from_the_daemon_waits_for_another_and_then_refuses(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_WAIT_SECONDS", 0.1)
    lock = take_run_lock(engine.settings.var_dir, wait_seconds=0)
    with pytest.raises(dg.DagsterError) as caught:
        _run(engine, {})
    assert isinstance(caught.value.__cause__, BusyError)
    lock.release()
    assert _run(engine, {})
