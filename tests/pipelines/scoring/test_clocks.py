"""Local times by half-hours of UTC are those of the zone, in every zone and through every change of clocks."""

from __future__ import annotations

import zoneinfo

import duckdb
import pyarrow as pa

from pipelines.scoring.timing_sql import CLOCKS

# Moments of 35 years in every zone, many of them in those whose clocks change oddly.
_MOMENTS = """
    select z.time_zone, day + to_minutes(62 * step::integer) as occurred_at
    from zones as z,
        generate_series(timestamp '1995-01-01', timestamp '2030-01-01', interval 1 day) as d (day),
        range(24) as s (step)
    where hash(z.time_zone, day, step) % 3000 = 0
        or (time_zone in ('Australia/Lord_Howe', 'America/St_Johns', 'Asia/Tehran', 'Africa/Casablanca',
            'America/New_York', 'Europe/London') and hash(day, step) % 16 = 0)
"""


def test_the_clock_of_a_half_hour_is_the_clock_of_each_of_its_moments() -> None:
    zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    with duckdb.connect() as connection:
        connection.register("zones", pa.table({"time_zone": zones}))
        known = {name for (name,) in connection.execute("select name from pg_timezone_names()").fetchall()}
        connection.register("zones", pa.table({"time_zone": [zone for zone in zones if zone in known]}))
        connection.execute(f"create table moments as {_MOMENTS}")
        rows, wrong = connection.execute(
            f"with {CLOCKS} select count(*), count(*) filter ("
            "local_at is distinct from timezone(time_zone, timezone('UTC', occurred_at))) from local"
        ).fetchall()[0]
    assert rows > 50_000
    assert wrong == 0
