"""An installation whose every store holds thirty people."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from contracts.published import publish
from contracts.settings import Settings
from contracts.words import Crm
from pipelines.rights.erasure import erase_people
from pipelines.rights.people import find_people
from pipelines.warehouse import Warehouse
from recovery.identity import person_id_of
from recovery.ledger import schema as tables
from recovery.ledger.engine import make_engine, writing
from recovery.rights.asking import RequestKind
from recovery.rights.matching import Identifiers
from recovery.rights.requests import complete, open_request
from tests.pipelines.ingest.helpers import CONTACTS_HEADER, Site
from tests.recovery.inbound.ledger_world import ADDRESSES

NOW = datetime(2026, 6, 2, 12)
GONE = tuple(range(10))


def words(number: int) -> tuple[str, str, str]:
    """E-mail, phone and name of one person; canaries that no other has."""
    return f"canary{number:03d}@mail.example", f"+1212555{number:04d}", f"Canaria{number:03d} Zzyzx{number:03d}"


def person(number: int) -> str:
    return person_id_of(f"hub:contacts:{number}")


class Place(Site):
    """A site whose every store holds thirty people."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(root)
        self.settings = Settings(var_dir=root / "var", ledger_url=url)
        self.engine = make_engine(url)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings.warehouse_path, memory="1GB", threads=1)

    def fill(self) -> None:
        lines = [CONTACTS_HEADER]
        for n in range(30):
            email, phone, name = words(n)
            first, last = name.split()
            spelled = email.upper() if n % 2 else email
            dialled = f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}"
            lines.append(f"{n},2024-01-02 10:00,{first},{last},{spelled},{dialled},US")
        self.put("contacts.csv", "\n".join(lines) + "\n")
        deals = ["Record ID,Create Date,Deal Name,Associated Contact IDs"]
        deals += [f"d{n},2024-02-01 10:00,{words(n)[2]} - house,{n};{(n + 10) % 30}" for n in range(30)]
        self.put("deals.csv", "\n".join(deals) + "\n")
        self.ingest(Crm.HUBSPOT)
        self._publish()
        self._ledger()
        self._loose_files()

    def _publish(self) -> None:
        rows = [{"person_id": person(n), "p": 0.1, "reason": f"{words(n)[2]} wrote"} for n in range(30)]
        for day in (date(2026, 6, 1), date(2026, 6, 2)):
            publish(self.settings.published_dir, dataset="lead_scores", as_of=day, table=pa.Table.from_pylist(rows))

    def _ledger(self) -> None:
        at = datetime(2026, 6, 1)
        contents = [
            {"kind": "touch", "ref_id": f"touch-{n:03d}", "person_id": person(n), "address": words(n)[0],
             "subject": f"Hello {words(n)[2]}", "text": f"Dear {words(n)[2]}", "html": "", "created_at": at}
            for n in range(30)
        ]  # fmt: skip
        replies = [
            {"kind": "event", "ref_id": f"mail/{n}", "person_id": None, "address": words(n)[0].upper(),
             "subject": "", "text": f"I am {words(n)[2]}, {words(n)[1]}", "html": "", "created_at": at}
            for n in range(30)
        ]  # fmt: skip
        kept = {"suppression_id": "s1", "address_hash": ADDRESSES.hash(words(3)[0]), "sender_id": "main",
                "channel": "email", "reason": "opt_out", "source": "test", "since": at, "recorded_at": at}  # fmt: skip
        with writing(self.engine) as connection:
            connection.execute(sa.insert(tables.contents), contents + replies)
            connection.execute(sa.insert(tables.suppressions), [kept])

    def _loose_files(self) -> None:
        var = self.settings.var_dir
        for n in range(30):
            email, phone, name = words(n)
            eml = var / "outbox" / "batch" / "eml" / f"touch-{n:03d}.eml"
            eml.parent.mkdir(parents=True, exist_ok=True)
            eml.write_text(f"To: {email}\n\n{name} {phone}\n")
        rows = [f'"{person(n)}","{words(n)[0]}","{words(n)[2]}"' for n in range(30)]
        table = "person_id,to,body\r\n" + "\r\n".join(rows) + "\r\n"
        (var / "outbox" / "batch" / "email.csv").write_text(table, newline="")
        described = {"files": {"email.csv": {"sha256": "x", "rows": 30}}, "sha256": "batch"}
        (var / "outbox" / "batch" / "manifest.json").write_text(json.dumps(described))
        for folder in ("report", "mlflow/artifacts", "cache", "logs"):
            (var / folder).mkdir(parents=True, exist_ok=True)
        (var / "report" / "daily.html").write_text("".join(f"<p>{words(n)[2]}</p>" for n in range(30)))
        (var / "mlflow" / "artifacts" / "sample.json").write_text(json.dumps([words(n) for n in range(30)]))
        (var / "logs" / "run.log").write_text("".join(f"sent to {words(n)[0]}\n" for n in range(30)))
        (var / "cache" / "rows.csv.gz").write_bytes(gzip.compress(table.encode()))
        with zipfile.ZipFile(var / "cache" / "rows.zip", "w") as archive:
            archive.writestr("rows.csv", table)

    def erase(self, *who: str) -> Identifiers:
        people = find_people(self.settings.landing_dir, self.engine, who)
        request = open_request(self.engine, RequestKind.ERASE, min(people.person_ids), by="dpo", received_at=NOW)
        erase_people(self.settings, self.engine, people, addresses=ADDRESSES, now=NOW, request_id=request)
        complete(self.engine, request, now=NOW)
        return people
