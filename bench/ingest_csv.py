"""Benchmark of the door: a contacts CSV of a million rows, one in twenty dirty, landed, validated and loaded."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from contracts.sources import load_sources
from contracts.words import Crm
from pipelines.ingest.run import IngestOptions, ingest
from pipelines.warehouse import Warehouse

ROWS = 1_000_000
TARGET_SECONDS = 45.0
_SOURCES = """version: 1
sources:
  - {name: hubspot, crm: hubspot, path: export, time_zone: UTC, exported_at: 2026-06-01T00:00:00Z}
"""
# Faults by remainder of the row number: every 20th row has one of them, in turn.
_FAULTS = ("email", "phone", "date", "short", "country", "blank id", "quote", "zone", "boolean", "double at")


@dataclass(frozen=True)
class IngestTiming:
    """Outcome of one ingest: rows in, loaded, rejected; wall seconds, those of a run without news, peak MiB, CPU."""

    rows_in: int
    rows_loaded: int
    rows_rejected: int
    field_issues: int
    seconds: float
    unchanged_seconds: float
    peak_mib: float
    cpu_seconds: float = 0.0


def write_contacts(path: Path, rows: int = ROWS) -> None:
    """Write a HubSpot contacts export of `rows` rows, deterministic; 5 % of them carry a fault of `_FAULTS`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fault = f"case when i % 20 = 7 then (i // 20) % {len(_FAULTS)} end"
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                with numbered as (select i, {fault} as f from range({rows}) as t(i)),
                fields as (
                    select i, f,
                        case when f = 5 then '' else (100000 + i)::varchar end as id,
                        case when f = 2 then '31.02.20xx'
                             else strftime(timestamp '2020-01-01' + to_minutes((i * 3) % 3000000), '%Y-%m-%d %H:%M')
                        end as created,
                        'First' || (i % 997) as first, '"Last, ' || (i % 9973) || '"' as last,
                        case f when 0 then 'someone at example' when 9 then 'a@@b.example'
                             else 'P' || i || '.x@acme-' || (i % 5003) || '.example' end as email,
                        case when f = 1 then '12' when i % 3 = 0 then ''
                             else (case when i % 3 = 1 then '+1 415 ' else '(212) ' end) || (200 + i % 700) || '-'
                                  || lpad((i % 10000)::varchar, 4, '0') end as phone,
                        case when f = 4 then 'Atlantis' when i % 4 = 0 then '' else 'United States' end as country,
                        case when i % 5 = 0 then 'California' else '' end as state,
                        case when f = 7 then 'Mars/Base' when i % 6 = 0 then 'America/New_York' else '' end as zone,
                        case when f = 8 then 'perhaps' when i % 50 = 0 then 'Yes' else 'No' end as opted_out,
                        case when i % 11 = 0 then '"Head of\nSales"' else 'VP of Sales' end as title
                    from numbered
                )
                select case f
                    when 3 then id || ',' || created
                    when 6 then id || ',' || created || ',' || first || ',"x"y,' || email || ',,,,,,'
                    else concat_ws(',', id, created, first, last, email, phone, country, state, zone, opted_out, title)
                    end
                from fields order by i
            ) to '{path}.body' (format csv, header false, delimiter E'\\x01', quote '', escape '')
            """
        )
    header = (
        "Record ID,Create Date,First Name,Last Name,Email,Phone Number,Country/Region,State/Region,Time Zone,"
        "Unsubscribed from all email,Job Title\n"
    )
    body = Path(f"{path}.body")
    with path.open("wb") as target, body.open("rb") as source:
        target.write(header.encode())
        while chunk := source.read(1 << 20):
            target.write(chunk)
    body.unlink()


def measure(folder: Path, rows: int = ROWS) -> IngestTiming:
    """Time one cold ingest of `rows` rows and one run without news, in `folder`."""
    contacts = folder / "export" / "contacts.csv"
    if not contacts.exists():
        write_contacts(contacts, rows)
    (folder / "sources.yml").write_text(_SOURCES, encoding="utf-8")
    sources = load_sources(folder / "sources.yml")
    warehouse = Warehouse(folder / "var" / "warehouse.duckdb")
    options = IngestOptions(folder / "var" / "landing")
    now = datetime(2026, 6, 1, 6, tzinfo=UTC)
    began, cpu = time.perf_counter(), time.process_time()
    report = ingest(warehouse.open, sources, Crm.HUBSPOT, options=options, now=now)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if report.problems:
        raise RuntimeError(report.problems[0].what)
    began = time.perf_counter()
    ingest(warehouse.open, sources, Crm.HUBSPOT, options=options, now=now)
    unchanged = time.perf_counter() - began
    with warehouse.open() as connection:
        row = connection.execute(
            "select sum(rows_in), sum(rows_loaded), sum(rows_rejected), (select count(*) from raw.field_issues) "
            "from raw.landings"
        ).fetchone()
    counts = [int(value or 0) for value in row] if row else [0, 0, 0, 0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return IngestTiming(*counts, seconds=seconds, cpu_seconds=cpu, unchanged_seconds=unchanged, peak_mib=peak)  # type: ignore[misc]


def main() -> IngestTiming:
    """Measure in a temporary folder."""
    with TemporaryDirectory() as folder:
        return measure(Path(folder))


if __name__ == "__main__":
    import sys

    sys.stdout.write(f"{main()}\n")
