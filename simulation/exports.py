"""Drawing the CSV files of every CRM from a chunk, in DuckDB."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from simulation import base_sql, gohighlevel, hubspot, salesforce, texts
from simulation.chunks import Chunk
from simulation.csvfiles import CsvFile, FileSpec
from simulation.settings import WorldSettings

SOURCES: Final = ("hubspot", "salesforce", "gohighlevel")
_REASONS: Final = (
    "case when kind = 24 then 'BOUNCED' when kind = 26 then 'SPAM_REPORT' else 'UNSUBSCRIBED' end as reason"
)


@dataclass(frozen=True)
class Query:
    """How one file is drawn: columns by header, the relation, its order, and the key of its dirt."""

    spec: FileSpec
    columns: dict[str, str]
    relation: str
    order: str
    key: str


def _suppressed(crm: int) -> str:
    rows = f"crm = {crm} and (kind in (24, 25, 26) or kind = 1 and intent = 5)"
    return f"(select *, {_REASONS} from ev where {rows})"


def _changed(columns: dict[str, str], renamed: dict[str, str | None]) -> dict[str, str]:
    """Rename columns, or drop those renamed to None."""
    found = {}
    for name, sql in columns.items():
        new = renamed.get(name, name)
        if new is not None:
            found[new] = sql
    return found


def _activity(spec: FileSpec, columns: dict[str, str], where: str, since: int | None) -> Query:
    later = f" and arrives >= {since}" if since is not None else ""
    return Query(spec, columns, f"(select * from ev where {where}{later})", "rid, stamp, event", "event")


def _company(spec: FileSpec, columns: dict[str, str], crm: int) -> Query:
    relation = f"(select * from rec where crm = {crm}) group by company_number, account, company, domain"
    return Query(spec, columns, relation, "company_number", "min(word)")


def queries(world: WorldSettings, *, as_of: date, since: date | None) -> list[Query]:
    """Every file of the three CRMs as of a date."""
    start = world.epoch(since) if since else None
    changed = as_of >= world.columns_change_on
    contacts = _changed(hubspot.CONTACT_COLUMNS, {"HubSpot Score": None} if changed else {})
    leads = _changed(salesforce.LEAD_COLUMNS, {"Rating": "Lead_Rating__c"} if changed else {})
    ghl = gohighlevel.CONTACT_COLUMNS
    if changed:
        ghl = dict(sorted(ghl.items()))
    h, s, g = hubspot, salesforce, gohighlevel
    alive = "not (slot = 2 and merged < $cut) and not deleted < $cut"
    return [
        Query(h.CONTACTS, contacts, f"(select * from rec where crm = 0 and {alive})", "rid", "word"),
        _company(h.COMPANIES, h.COMPANY_COLUMNS, 0),
        _activity(h.ACTIVITIES, h.ACTIVITY_COLUMNS, h.ACTIVITY_FILTER, start),
        _activity(h.EMAIL_EVENTS, h.EMAIL_EVENT_COLUMNS, h.EMAIL_EVENT_FILTER, start),
        Query(h.DEALS, h.DEAL_COLUMNS, "(select * from deal where crm = 0)", "deal_number", "deal_key"),
        Query(h.SUPPRESSIONS, h.SUPPRESSION_COLUMNS, _suppressed(0), "stamp, event", "event"),
        Query(s.LEADS, leads, "(select * from rec where crm = 1 and is_lead)", "rid", "word"),
        Query(s.CONTACTS, s.CONTACT_COLUMNS, "(select * from rec where crm = 1 and not is_lead)", "rid", "word"),
        _company(s.ACCOUNTS, s.ACCOUNT_COLUMNS, 1),
        _activity(s.TASKS, s.TASK_COLUMNS, s.TASK_FILTER, start),
        _activity(s.EVENTS, s.EVENT_COLUMNS, s.EVENT_FILTER, start),
        _activity(s.EMAIL_MESSAGES, s.EMAIL_COLUMNS, s.EMAIL_FILTER, start),
        Query(s.OPPORTUNITIES, s.OPPORTUNITY_COLUMNS, "(select * from deal where crm = 1)", "deal_number", "deal_key"),
        Query(s.SUPPRESSIONS, s.SUPPRESSION_COLUMNS, _suppressed(1), "stamp, event", "event"),
        Query(g.CONTACTS, ghl, "(select * from rec where crm = 2)", "rid", "word"),
        _activity(g.MESSAGES, g.MESSAGE_COLUMNS, g.MESSAGE_FILTER, start),
        _activity(g.APPOINTMENTS, g.APPOINTMENT_COLUMNS, g.APPOINTMENT_FILTER, start),
        Query(g.OPPORTUNITIES, g.OPPORTUNITY_COLUMNS, "(select * from deal where crm = 2)", "deal_number", "deal_key"),
    ]


def constants(*, cut: int) -> dict[str, object]:
    """Values that the SQL of the exports names."""
    labels = texts.COUNTRY_LABELS
    return {
        "cut": cut,
        "injections": texts.INJECTIONS,
        "sources": texts.SOURCE_LABELS,
        "auto_headers": texts.AUTO_HEADERS,
        "headers": texts.REPLY_HEADERS,
        "machine": texts.MACHINE_AGENTS,
        "scanner": texts.SCANNER_AGENTS,
        "human": texts.PERSON_AGENTS,
        **{f"labels_{number}": {c: names[number] for c, names in labels.items()} for number in range(3)},
    }


class Exporter:
    """Writes the files of all CRMs chunk by chunk into `<out>/exports/<as_of>/<source>/`."""

    def __init__(self, world: WorldSettings, *, out: Path, as_of: date, since: date | None) -> None:
        self.world = world
        self.as_of = as_of
        self.since = since
        self.root = out / "exports" / as_of.isoformat()
        self.values = constants(cut=world.epoch(as_of))
        self.queries = queries(world, as_of=as_of, since=since)
        self.files = {q.spec: CsvFile(self.root / q.spec.source, q.spec, world) for q in self.queries}
        self.connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})

    def load(self, chunk: Chunk) -> None:
        """Make the tables `rec`, `ev` and `deal` of one chunk."""
        self.connection.register("person_rows", chunk.persons)
        self.connection.register("record_rows", chunk.record_rows)
        self.connection.register("event_rows", chunk.events)
        self.connection.register("deal_rows", chunk.deals)
        for sql in (base_sql.RECORDS, base_sql.EVENTS, base_sql.DEALS):
            self.connection.execute(base_sql.bind(sql, self.values))

    def write(self, chunk: Chunk) -> None:
        """Append one chunk to every file."""
        self.load(chunk)
        for query in self.queries:
            columns = ", ".join(f'{sql} as "{name}"' for name, sql in query.columns.items())
            sql = f"select {columns}, {query.key} as _key from {query.relation} order by {query.order}"
            self.files[query.spec].write(self.table(sql))

    def table(self, sql: str) -> pa.Table:
        """Result of a query that may name the world's constants."""
        return self.connection.execute(base_sql.bind(sql, self.values)).to_arrow_table()

    def close(self) -> dict[str, int]:
        """Finish all files and write `_export.json` beside them; returns rows by `source/file`."""
        rows = {f"{spec.source}/{spec.name}": file.close() for spec, file in self.files.items()}
        self.connection.close()
        for source in SOURCES:
            specs = [q.spec for q in self.queries if q.spec.source == source]
            write_manifest(self.root / source, source, specs, as_of=self.as_of, since=self.since)
        return rows


def write_manifest(
    folder: Path, source: str, specs: list[FileSpec], *, as_of: date, since: date | None, crm: str | None = None
) -> None:
    """Write `_export.json`: what each file is, when it was drawn, and how it writes dates."""
    drawn = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) - timedelta(hours=1)
    files: dict[str, dict[str, str]] = {}
    for spec in specs:
        mode = "incremental" if spec.incremental and since is not None else "full"
        files[spec.name] = {"object": spec.object, "mode": mode, "time_zone": "UTC"}
        if spec.date_format:
            files[spec.name]["date_format"] = spec.date_format
    payload = {
        "source": source,
        "crm": crm or source,
        "exported_at": drawn.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "files": files,
    }
    (folder / "_export.json").write_text(json.dumps(payload, indent=2) + "\n", encoding="utf-8")


_SOURCE: Final = """  - name: {name}
    crm: {name}
    path: exports/*/{name}
    time_zone: UTC
    history: {{until: {until}, assumed_lag_hours: 1}}
    declaration:
      by: Operations (simulated)
      at: {until}
      words: People of this system asked us for information or bought from us; none is bought or harvested.
      basis: relationship
"""
_ASSIGNMENTS: Final = """  - name: campaign_history
    crm: mapped_csv
    path: exports/*/campaign_history
    time_zone: UTC
    history: {{until: {until}, assumed_lag_hours: 1}}
    mapping:
      - object: assignments
        file: assignments.csv
        columns:
{columns}
"""


def write_sources(out: Path, *, columns: tuple[str, ...]) -> Path:
    """Write `<out>/sources.yml`: the three CRMs and the past campaigns; the first export is the history load."""
    until = min(folder.name for folder in (out / "exports").iterdir())
    text = "version: 1\nsources:\n" + "".join(_SOURCE.format(name=name, until=until) for name in SOURCES)
    mapped = "\n".join(f"          {name}: {name}" for name in columns)
    path = out / "sources.yml"
    path.write_text(text + _ASSIGNMENTS.format(until=until, columns=mapped), encoding="utf-8")
    return path
