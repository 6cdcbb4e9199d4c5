"""A world of 5,000 people, exported on two dates; made once for all tests of the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest

from simulation import ExportReport, WorldSettings, write_exports

FIRST_DAY = date(2026, 4, 20)
LAST_DAY = date(2026, 6, 1)
LATIN = {("hubspot", "companies.csv"), ("gohighlevel", "contacts.csv")}


@dataclass(frozen=True)
class Made:
    settings: WorldSettings
    out: Path
    truth: Path
    first: ExportReport
    last: ExportReport

    def relation(self, day: date, source: str, name: str) -> str:
        """SQL of a file's well-formed rows, all text."""
        path = self.out / "exports" / day.isoformat() / source / name
        encoding = ", encoding='latin-1'" if (source, name) in LATIN else ""
        return (
            f"read_csv('{path}', all_varchar=true, header=true, ignore_errors=true, quote='\"', escape='\"'{encoding})"
        )

    def rows(self, sql: str) -> list[tuple]:
        return duckdb.sql(sql).fetchall()

    def value(self, sql: str):
        return self.rows(sql)[0][0]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("world")
    settings = WorldSettings(people=5_000)
    out, truth = root / "world", root / "truth"
    first = write_exports(settings, out=out, truth=truth, as_of=FIRST_DAY)
    last = write_exports(settings, out=out, truth=truth, as_of=LAST_DAY, since=FIRST_DAY)
    return Made(settings, out, truth, first, last)
