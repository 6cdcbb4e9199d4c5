"""A small installation on disk: sources.yml, exports, landing and warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.sources import SourcesFile, load_sources
from contracts.words import Crm
from pipelines.ingest.expectations import Verdict
from pipelines.ingest.run import IngestOptions, IngestReport, ingest
from pipelines.warehouse import Warehouse

NOW = datetime(2026, 6, 1, 6, tzinfo=UTC)
HUBSPOT = """version: 1
sources:
  - {name: hub, crm: hubspot, path: "exports/*/hub", time_zone: UTC}
"""
CONTACTS_HEADER = "Record ID,Create Date,First Name,Last Name,Email,Phone Number,Country/Region"


def contacts(count: int, *extra: str, header: str = CONTACTS_HEADER) -> str:
    """A contacts file of `count` clean rows and some further lines."""
    rows = [
        f"{i},2024-01-{1 + i % 28:02d} 10:00,Ann{i},Lee,ann{i}@acme.example,+1415555{i:04d},US" for i in range(count)
    ]
    return "\n".join([header, *rows, *extra]) + "\n"


@dataclass
class Site:
    """One installation below a temporary folder."""

    root: Path
    text: str = HUBSPOT

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.root / "var" / "warehouse.duckdb", memory="1GB", threads=1)

    @property
    def landing(self) -> Path:
        return self.root / "var" / "landing"

    @property
    def sources(self) -> SourcesFile:
        path = self.root / "sources.yml"
        path.write_text(self.text, encoding="utf-8")
        return load_sources(path)

    def put(self, name: str, content: str | bytes, *, day: str = "2026-05-01", source: str = "hub") -> Path:
        path = self.root / "exports" / day / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def ingest(self, crm: Crm = Crm.HUBSPOT, *, now: datetime = NOW) -> IngestReport:
        options = IngestOptions(self.landing, memory="1GB", threads=1)
        return ingest(self.warehouse.open, self.sources, crm, options=options, now=now)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.open() as connection:
            return connection.execute(sql).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all raw tables, ordered."""
        with self.warehouse.open() as connection:
            names = connection.execute(
                "select table_name from information_schema.tables where table_schema = 'raw' order by 1"
            ).fetchall()
            return {
                name: connection.execute(f'select * from raw."{name}" order by all').fetchall() for (name,) in names
            }


def quick_validate(connection: object, spec: object, judgement: Any, *, max_reject_share: float, **_: object) -> Any:
    """The reject share alone, without the seconds that the library takes to import."""
    del connection, spec
    share = judgement.rows_rejected / judgement.rows_in if judgement.rows_in else 0.0
    is_met = share <= max_reject_share
    return [Verdict("expect_column_values_to_be_between", "reject_share", is_met, 1, 0 if is_met else 1)]
