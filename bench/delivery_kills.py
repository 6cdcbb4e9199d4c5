"""Kills deliveries at any moment and counts: `python -m bench.delivery_kills FOLDER --runs N --touches M --workers W`.

Each run is a process of its own on its own ledger, killed once by SIGKILL, at a random moment or at a named failpoint.
Another process then finishes the batch, after the leases ran out, and the far end's own record is compared with the
ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from bench.delivery_world import SENDER, approved, make_touch
from bench.smtp_bag import received, running_bag
from recovery import failpoints
from recovery.delivery.counts import count_batch
from recovery.delivery.deliver import Delivery, Order, Route
from recovery.delivery.handle import allow_all
from recovery.delivery.words import TouchState
from recovery.delivery.worker import Terms
from recovery.ledger import open_ledger
from recovery.ledger.audit import verify_chain
from recovery.ledger.engine import make_engine, reading
from recovery.ledger.schema import touches as touches_table
from recovery.sinks.smtp import SmtpSink
from recovery.sinks.smtp_client import SmtpServer

_LEASE: Final = timedelta(minutes=5)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one killed run.

    Attributes:
        moment: failpoint and occurrence, or seconds after which it was killed.
        was_killed: the process died before it was done.
        duplicates: messages that arrived more than once.
        lost: touches that are settled as sent and never arrived, or neither sent nor unknown at the end.
        unknown: touches that nobody knows of.
        arrived_unknown: of these, how many arrived.
        is_conserved: target = sent + skipped + failed + unknown.
        is_chain_whole: the audit chain is unbroken.
    """

    moment: str
    was_killed: bool
    duplicates: int
    lost: int
    unknown: int
    arrived_unknown: int
    is_conserved: bool
    is_chain_whole: bool


def make_template(path: Path, touches: int) -> str:
    """An SQLite ledger with one approved batch; returns the batch's identifier."""
    url = f"sqlite:///{path}"
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [make_touch(n, opens=now - _DAY, closes=now + _DAY) for n in range(touches)]
    with open_ledger(url) as ledger:
        batch_id = approved(ledger, ledger.engine, rows, sink="smtp")
        with ledger.engine.connect() as connection:  # one file, without a write-ahead log beside it
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return batch_id


def deliver(folder: Path, port: int, *, workers: int, later: timedelta = timedelta(0)) -> None:
    """One delivery of everything that is due, in this process."""
    engine = make_engine(f"sqlite:///{folder / 'ledger.sqlite'}", connections=2 * workers + 2)
    server = SmtpServer("127.0.0.1", port, security="none", timeout_seconds=20)
    Delivery(
        engine=engine,
        routes=[Route("smtp", lambda: SmtpSink(server, pool=2), Terms(lease=_LEASE), workers=workers)],
        recheck=lambda: allow_all,
        sender=SENDER,
        control_dir=folder / "control",
        is_paused=lambda: False,
        clock=lambda: datetime.now(UTC).replace(tzinfo=None) + later,
    ).run(Order())
    engine.dispose()


def in_child(work: Callable[[], None], *, kill_after: float | None = None) -> bool:
    """Run `work` in a forked process; True when it died by SIGKILL."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent looks at the exit code
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a delivery failed")
    return os.WIFSIGNALED(status)


@dataclass(frozen=True)
class Ground:
    """Where runs take place.

    Attributes:
        folder: scratch.
        port: of the recording server.
        record: its file.
        batch_id: of the template.
        workers: threads of a run.
    """

    folder: Path
    port: int
    record: Path
    batch_id: str
    workers: int

    def run(self, name: str, moment: str, work: Callable[[Path], bool]) -> Fate:
        """A fresh ledger, a killed run, a finishing run, the verdict."""
        place = self.folder / name
        place.mkdir()
        shutil.copyfile(self.folder / "template.sqlite", place / "ledger.sqlite")
        offset = self.record.stat().st_size if self.record.exists() else 0
        was_killed = work(place)
        in_child(lambda: deliver(place, self.port, workers=self.workers, later=2 * _LEASE))
        time.sleep(0.02)  # the server writes down what it took
        fate = self._judge(place, moment, was_killed, offset)
        shutil.rmtree(place)
        return fate

    def _judge(self, place: Path, moment: str, was_killed: bool, offset: int) -> Fate:
        engine = make_engine(f"sqlite:///{place / 'ledger.sqlite'}")
        counts = count_batch(engine, self.batch_id)
        with reading(engine) as connection:
            states: dict[str, str] = dict(
                connection.execute(sa.select(touches_table.c.touch_id, touches_table.c.state)).all()
            )
            is_whole = verify_chain(connection).is_whole
        engine.dispose()
        arrived = received(self.record, offset)
        unknown = {name for name, state in states.items() if state == TouchState.UNKNOWN}
        return Fate(
            moment=moment,
            was_killed=was_killed,
            duplicates=sum(count - 1 for count in arrived.values()),
            lost=sum(
                state != TouchState.UNKNOWN and (state != TouchState.SENT or name not in arrived)
                for name, state in states.items()
            ),
            unknown=len(unknown),
            arrived_unknown=len(unknown & arrived.keys()),
            is_conserved=counts.is_conserved and counts.open == 0,
            is_chain_whole=is_whole,
        )


def random_kills(ground: Ground, *, runs: int, seed: int = 7) -> list[Fate]:
    """Runs that are killed at a random moment between start and end of an undisturbed one."""
    draw = random.Random(seed)
    started = time.monotonic()
    fates = [
        ground.run("whole", "none", lambda place: in_child(lambda: deliver(place, ground.port, workers=ground.workers)))
    ]
    length = (time.monotonic() - started) * 0.8
    for number in range(runs):
        moment = draw.uniform(0.02, length)

        def work(place: Path, moment: float = moment) -> bool:
            return in_child(lambda: deliver(place, ground.port, workers=ground.workers), kill_after=moment)

        fates.append(ground.run(f"run{number}", f"{moment:.3f} s", work))
    return fates


def failpoint_kills(ground: Ground, *, most: int | None = None) -> list[Fate]:
    """Runs that die at each occurrence of each failpoint that an undisturbed run reaches."""
    counted = ground.folder / "failpoints.json"

    def count(place: Path) -> bool:
        def work() -> None:
            reached = failpoints.count()
            deliver(place, ground.port, workers=1)
            counted.write_text(json.dumps(reached))

        return in_child(work)

    fates = [ground.run("whole", "none", count)]
    points = [(name, n + 1) for name, times in sorted(json.loads(counted.read_text()).items()) for n in range(times)]
    for name, occurrence in points[:most]:

        def work(place: Path, name: str = name, occurrence: int = occurrence) -> bool:
            def armed() -> None:
                failpoints.arm(name, occurrence=occurrence)
                deliver(place, ground.port, workers=1)

            return in_child(armed)

        fates.append(ground.run(f"{name}-{occurrence}", f"{name} #{occurrence}", work))
    return fates


def crowd_runs(ground: Ground, *, runs: int, seed: int = 7) -> list[Fate]:
    """Runs in which two schedulers with all their workers deliver at once, and one of them is killed at some moment."""
    draw = random.Random(seed)
    fates = []
    for number in range(runs):
        moment = draw.uniform(0.05, 1.5)

        def work(place: Path, moment: float = moment) -> bool:
            other = os.fork()
            if other == 0:
                try:
                    deliver(place, ground.port, workers=ground.workers)
                except BaseException as error:  # noqa: BLE001 - the parent looks at the exit code
                    sys.stderr.write(f"{error!r}\n")
                    os._exit(1)
                os._exit(0)
            was_killed = in_child(lambda: deliver(place, ground.port, workers=ground.workers), kill_after=moment)
            if os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]):
                raise RuntimeError("the other delivery failed")
            return was_killed

        fates.append(ground.run(f"crowd{number}", f"{moment:.3f} s", work))
    return fates


def main() -> None:
    """Print one JSON list of fates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=0, help="random kills; 0 kills at every failpoint")
    parser.add_argument("--touches", type=int, default=2_500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--crowd", action="store_true", help="two schedulers at once in each run")
    options = parser.parse_args()
    batch_id = make_template(options.folder / "template.sqlite", options.touches)
    record = options.folder / "bag.txt"
    with running_bag(record) as port:
        ground = Ground(options.folder, port, record, batch_id, options.workers)
        if options.crowd:
            fates = crowd_runs(ground, runs=options.runs)
        else:
            fates = random_kills(ground, runs=options.runs) if options.runs else failpoint_kills(ground)
    sys.stdout.write(json.dumps([asdict(fate) for fate in fates]) + "\n")


if __name__ == "__main__":
    main()
