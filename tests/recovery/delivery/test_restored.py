"""Restored and copied ledgers (D4 of the incident list) send nothing until somebody adopts them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.delivery_world import (
    NOON,
    RecordingSink,
    accept,
    approved,
    delivered,
    make_delivery,
    make_touch,
)
from contracts.errors import PermanentError
from recovery import failpoints
from recovery.delivery import deliver
from recovery.delivery.deliver import Order
from recovery.delivery.generation import check_in
from recovery.delivery.worker import Terms
from recovery.ledger import open_ledger
from recovery.ledger.engine import make_engine
from recovery.sinks.protocol import OutgoingTouch, Receipt


def once(touches: int) -> dict[str, int]:
    return {f"t{n:07d}-1": 1 for n in range(touches)}


def waiting(folder: Path) -> sa.Engine:
    """A ledger whose approved batch of a hundred touches waits."""
    engine = make_engine(f"sqlite:///{folder / 'ledger.sqlite'}")
    with open_ledger(str(engine.url)) as ledger:
        approved(ledger, ledger.engine, [make_touch(n) for n in range(100)])
    return engine


def half_sent(folder: Path, far_end: Path | None = None) -> str:
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    with open_ledger(url) as ledger:
        batch = approved(ledger, ledger.engine, [make_touch(n) for n in range(100)])
        sink = RecordingSink(far_end or folder)
        delivery = make_delivery(ledger.engine, folder, terms=Terms(group=10), open_sink=lambda: sink)
        delivery.progress = lambda _settlements: delivery.drain()
        delivery.run(Order(batch_id=batch))
    return url


def test_d4_a_copied_folder_sends_nothing_until_it_is_adopted(tmp_path: Path) -> None:
    here, copy = tmp_path / "here", tmp_path / "copy"
    here.mkdir()
    half_sent(here)
    shutil.copytree(here, copy)
    engine = make_engine(f"sqlite:///{copy / 'ledger.sqlite'}")
    with pytest.raises(PermanentError, match="copied or restored"):
        make_delivery(engine, copy).run(Order())
    assert sum(delivered(copy).values()) == 10
    make_delivery(make_engine(f"sqlite:///{here / 'ledger.sqlite'}"), here).run(Order())
    assert delivered(here) == once(100)
    make_delivery(engine, copy).run(Order(adopt="ann: the old house burned down"))
    assert sum(delivered(copy).values()) == 100


def test_d4_a_restored_database_sends_nothing(tmp_path: Path) -> None:
    half_sent(tmp_path)
    path = tmp_path / "ledger.sqlite"
    engine = make_engine(f"sqlite:///{path}")
    plain = sqlite3.connect(path)
    plain.execute(f"vacuum into '{tmp_path / 'snapshot.sqlite'}'")
    plain.close()
    make_delivery(engine, tmp_path).run(Order())
    assert delivered(tmp_path) == once(100)
    for leftover in tmp_path.glob("ledger.sqlite-*"):
        leftover.unlink()
    shutil.copyfile(tmp_path / "snapshot.sqlite", path)
    with pytest.raises(PermanentError, match="older than what has left"):
        make_delivery(make_engine(f"sqlite:///{path}"), tmp_path).run(Order())
    assert delivered(tmp_path) == once(100)


def in_place(source: str, target: str) -> str:
    """As `cp -a` and `tar` do: content into the file that is there, then its old mtime."""
    shutil.copyfile(source, target)
    shutil.copystat(source, target)
    return target


def anew(source: str, target: str) -> str:
    """As `rsync -a` does: what differs in size or mtime is written beside and renamed."""
    old, new = Path(source).stat(), Path(target).stat() if Path(target).exists() else None
    if new is None or (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns):
        shutil.copy2(source, f"{target}.new")
        Path(f"{target}.new").replace(target)
    return target


def undated(source: str, target: str) -> str:
    """As `cp -r` does: content alone."""
    return str(shutil.copyfile(source, target))


COPIES = [in_place, anew, undated]


def restore(backup: Path, house: Path, copy: Callable[[str, str], object]) -> None:
    for leftover in house.glob("ledger.sqlite-*"):
        leftover.unlink()
    shutil.copytree(backup, house, dirs_exist_ok=True, copy_function=copy)


def run(house: Path, far_end: Path, order: Order | None = None) -> None:
    engine = make_engine(f"sqlite:///{house / 'ledger.sqlite'}")
    try:
        make_delivery(engine, house, open_sink=lambda: RecordingSink(far_end)).run(order or Order())
    finally:
        engine.dispose()


@pytest.mark.parametrize("copy", COPIES)
def test_d4_a_folder_that_is_restored_in_place_sends_nothing_until_it_is_adopted(
    tmp_path: Path, copy: Callable[[str, str], object]
) -> None:
    house, backup = tmp_path / "house", tmp_path / "backup"
    house.mkdir()
    half_sent(house, far_end=tmp_path)
    shutil.copytree(house, backup)
    run(house, tmp_path)
    restore(backup, house, copy)
    with pytest.raises(PermanentError, match="restored"):
        run(house, tmp_path)
    assert delivered(tmp_path) == once(100)
    run(house, tmp_path, Order(adopt="ann: checked with the mail server's log"))
    run(house, tmp_path)
    assert sum(delivered(tmp_path).values()) == 190, "adopted is adopted, also for the next run"


@pytest.mark.parametrize("copy", COPIES)
def test_d4_a_backup_made_while_a_run_sends_is_told_too(tmp_path: Path, copy: Callable[[str, str], object]) -> None:
    house, backup = tmp_path / "house", tmp_path / "backup"
    house.mkdir()

    def backs_up(touch: OutgoingTouch) -> Receipt:
        if touch.touch_id == "t0000042-1":
            shutil.copytree(house, backup)
        return accept(touch)

    engine = waiting(house)
    sink = lambda: RecordingSink(tmp_path, backs_up)  # noqa: E731
    make_delivery(engine, house, open_sink=sink, terms=Terms(group=10)).run(Order())
    engine.dispose()
    restore(backup, house, copy)
    with pytest.raises(PermanentError, match=r"restored|older"):
        run(house, tmp_path)
    assert delivered(tmp_path) == once(100)


@pytest.mark.parametrize("copy", COPIES)
def test_d4_a_backup_made_while_a_run_sends_is_told_when_that_run_dies(
    tmp_path: Path, copy: Callable[[str, str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_STEP_SECONDS", 0.0)
    house, backup = tmp_path / "house", tmp_path / "backup"
    house.mkdir()

    def backs_up_and_dies(touch: OutgoingTouch) -> Receipt:
        if touch.touch_id == "t0000042-1":
            shutil.copytree(house, backup)
            time.sleep(1.0)
        if touch.touch_id == "t0000080-1":
            raise SystemExit
        return accept(touch)

    engine = waiting(house)
    sink = lambda: RecordingSink(tmp_path, backs_up_and_dies)  # noqa: E731
    with pytest.raises(SystemExit):
        make_delivery(engine, house, open_sink=sink, terms=Terms(group=10)).run(Order())
    engine.dispose()
    left = delivered(tmp_path)
    restore(backup, house, copy)
    with pytest.raises(PermanentError, match=r"restored|older"):
        run(house, tmp_path)
    assert delivered(tmp_path) == left


MOMENTS = ("generation.pulse", "generation.before_commit", "generation.after_commit", "generation.written")


class DiedError(Exception):
    """Where the process would be gone."""


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_death_within_a_step_locks_nobody_out(engine: sa.Engine, tmp_path: Path, moment: str, steps: int) -> None:
    def die() -> None:
        raise DiedError

    for _ in range(steps):
        check_in(engine, tmp_path, now=NOON)
    failpoints.arm(moment, act=die)
    try:
        with pytest.raises(DiedError):
            check_in(engine, tmp_path, now=NOON)
    finally:
        failpoints.disarm()
    before = check_in(engine, tmp_path, now=NOON)
    assert check_in(engine, tmp_path, now=NOON).number == before.number + 1


@pytest.mark.parametrize("copy", [in_place, anew])
def test_a_house_that_died_within_a_step_is_told_when_it_is_restored(
    tmp_path: Path, copy: Callable[[str, str], object]
) -> None:
    def die() -> None:
        raise DiedError

    house, backup = tmp_path / "house", tmp_path / "backup"
    house.mkdir()
    half_sent(house, far_end=tmp_path)
    failpoints.arm("generation.pulse", act=die)
    try:
        with pytest.raises(DiedError):
            run(house, tmp_path)
    finally:
        failpoints.disarm()
    old = (house / "control" / "pulse").stat().st_mtime - 3_600
    os.utime(house / "control" / "pulse", (old, old))  # it died an hour ago
    shutil.copytree(house, backup)
    (house / "control" / "pulse").write_bytes((house / "control" / "pulse").read_bytes())
    run(house, tmp_path)
    restore(backup, house, copy)
    with pytest.raises(PermanentError, match="restored"):
        run(house, tmp_path)
    assert delivered(tmp_path) == once(100)


def test_a_ledger_of_an_earlier_release_goes_on(engine: sa.Engine, tmp_path: Path) -> None:
    check_in(engine, tmp_path, now=NOON)
    with engine.begin() as connection:
        value = connection.exec_driver_sql("select value from ledger_facts where name like 'generation/%%'").scalar()
        old = " ".join(str(value).split(" ")[:2])
        connection.execute(sa.text("update ledger_facts set value = :old where name like 'generation/%'"), {"old": old})
    (tmp_path / "pulse").unlink()
    number = json.loads((tmp_path / "generation.json").read_text())["number"]
    assert check_in(engine, tmp_path, now=NOON).number == number + 1
