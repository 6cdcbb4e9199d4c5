"""D8, the same mail every minute: on each weekday and across clock changes a day runs and a touch leaves once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from bench.delivery_world import Clock, approved, delivered, make_delivery, make_touch
from pipelines.jobs import SCHEDULES
from recovery.delivery.deliver import Order
from recovery.ledger import open_ledger

# Clock changes of America and Europe, the days around them, and a whole week.
CHANGES = [date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1)]
DAYS = sorted(
    {change + timedelta(days=n) for change in CHANGES for n in (-1, 0, 1)}
    | {date(2026, 6, 1) + timedelta(days=n) for n in range(7)}
)


class _Bounded(Clock):
    """A clock that ends a run which goes round and round."""

    asked = 0

    def __call__(self) -> datetime:
        self.asked += 1
        assert self.asked < 1_000, "the run does not end"
        return super().__call__()


def test_every_tick_of_a_day_asks_for_the_same_run() -> None:
    (schedule,) = SCHEDULES
    assert schedule.execution_timezone == "UTC", "a local clock has hours twice and hours never"
    for day in DAYS:
        asked = set()
        for minute in range(0, 24 * 60, 97):
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minute)
            with dg.build_schedule_context(scheduled_execution_time=moment) as context:
                request = schedule(context)
            asked.add((request.run_key, request.partition_key))
        assert asked == {(day.isoformat(), day.isoformat())}


def test_a_delivery_every_minute_sends_each_touch_once(tmp_path: Path) -> None:
    expected = {}
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        for number, day in enumerate(DAYS):
            night = datetime(day.year, day.month, day.day)
            touches = [
                make_touch(n, step=number + 1, opens=night, closes=night + timedelta(hours=20)) for n in range(3)
            ]
            approved(ledger, ledger.engine, touches, as_of=day)
            expected |= {touch.touch_id: 1 for touch in touches}
            for minute in (59, 60, 61, 119, 120, 121, 180):  # the hours that are skipped or come twice
                clock = _Bounded(night + timedelta(minutes=minute))
                make_delivery(ledger.engine, tmp_path, clock=clock).run(Order())
                make_delivery(ledger.engine, tmp_path, clock=_Bounded(clock.now - timedelta(hours=1))).run(Order())
        assert delivered(tmp_path) == expected
