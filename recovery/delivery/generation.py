"""A ledger that was restored from a snapshot or copied with its folder sends nothing until somebody adopts it.

Every step, at the begin and the end of a run and each minute within, raises the ledger's generation and writes it, with
the head of the audit chain, to a file outside the database. On the next step both must agree:

- the database is older than the file: it was restored, and touches that have left may look unsent;
- the same generation under another nonce: two copies went their own ways;
- the file lies elsewhere than when it was written (inode of its neighbour `installation`): the folder was copied;
- the file `pulse`, rewritten at every step, has its content but not the change time (ctime) that the database noted:
  everything was restored in place. Whoever copies a file can set its content and mtime, never its ctime.

A snapshot of a volume or machine brings inodes and change times back too and cannot be told from inside.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from filelock import FileLock

from contracts.errors import PermanentError
from contracts.files import write_atomic
from recovery.failpoints import reach
from recovery.ledger import schema as tables
from recovery.ledger.audit import AuditEntry, append_audit, read_head
from recovery.ledger.engine import writing

# One chain per folder of state: several houses may work on one PostgreSQL ledger.
_PREFIX: Final = "generation/"
# A pulse that a dying run left behind was written and renamed at once; a restored one has an older mtime.
_AT_ONCE_NS: Final = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Stamp:
    """What stands in the file.

    Attributes:
        number: generation.
        nonce: drawn at its check-in.
        inode: of the neighbour file, which is written once.
        audit_seq, audit_hash: head of the audit chain at that moment.
    """

    number: int
    nonce: str
    inode: int
    audit_seq: int
    audit_hash: str


def check_in(engine: sa.Engine, folder: Path, *, now: datetime, adopt: str = "") -> Stamp:
    """Make sure that this ledger is the one that sent last, and say so for the next time.

    A run does so when it begins, each minute and when it ends, so that a copy made in between shows as older.

    Args:
        engine: of the ledger.
        folder: `var/control`, outside the database.
        now: naive UTC.
        adopt: why a restored or copied ledger may send, by whom; empty refuses it.

    Raises:
        PermanentError: the ledger was restored or copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "generation.json"
    with FileLock(folder / "generation.lock", timeout=60):
        house, inode = _neighbour(folder)
        written = _read(path)
        with writing(engine, "generation") as connection:
            known = _known(connection, house)
            trouble = _trouble(connection, known, written, inode) or _unlike(known, folder / "pulse")
            if trouble is not None and not adopt:
                raise _refused(trouble, path)
            if written is None:  # so that a death before the file is written shows as a file that is behind
                _write(path, Stamp(0, "", inode, 0, ""))
            stamp = _raise(connection, house, known, written, inode, folder / "pulse")
            if trouble is not None:
                append_audit(connection, [AuditEntry("ledger_adopted", house, {"why": adopt})], at=now)
        _write(path, stamp)
    return stamp


def _write(path: Path, stamp: Stamp) -> None:
    write_atomic(path, json.dumps(asdict(stamp), indent=2).encode() + b"\n")
    reach("generation.written")


def _neighbour(folder: Path) -> tuple[str, int]:
    """Identifier of this folder of state, and the inode of the file that holds it."""
    path = folder / "installation"
    if not path.exists():
        write_atomic(path, secrets.token_hex(16).encode() + b"\n")
    return path.read_text(encoding="ascii").strip(), path.stat().st_ino


def _read(path: Path) -> Stamp | None:
    if not path.exists():
        return None
    try:
        return Stamp(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return Stamp(0, "", -1, 0, "")  # an unreadable stamp agrees with nothing


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says.

    Attributes:
        number, nonce: of the generation; the nonce is the content of the pulse.
        before: nonce that stood in the file before.
        has_others: other houses sent from this ledger.
        pulse: ctime of the pulse, nanoseconds; None where none was written.
    """

    number: int
    nonce: str
    before: str
    has_others: bool
    pulse: int | None = None


def _known(connection: sa.Connection, house: str) -> _Known:
    facts = tables.ledger_facts
    rows = connection.execute(
        sa.select(facts).where(facts.c.name >= _PREFIX, facts.c.name < _PREFIX + "~").with_for_update()
    ).all()
    own = [row for row in rows if row.name == _PREFIX + house]
    if not own:
        return _Known(0, "", "", bool(rows))
    nonce, before, *pulse = str(own[0].value).split(" ")
    return _Known(int(own[0].number), nonce, before, len(rows) > 1, int(pulse[0]) if pulse else None)


def _trouble(connection: sa.Connection, known: _Known, written: Stamp | None, inode: int) -> str | None:
    if (written is None and known.number > 0) or (known.number == 0 and known.has_others):
        return "The ledger has sent before, but from another folder"
    if written is None:
        return None
    if written.inode != inode:
        return "The folder of state was copied or restored"
    if known.number < written.number:
        return "The ledger is older than what has left this house"
    # A run that died between database and file leaves the file behind, and the database remembers its nonce.
    is_same = known.number == written.number and known.nonce == written.nonce
    is_ahead = known.number > written.number and known.before == written.nonce
    if not is_same and not is_ahead:
        return "The ledger went another way than this folder"
    if written.audit_seq:
        row = connection.execute(
            sa.select(tables.audit.c.hash).where(tables.audit.c.seq == written.audit_seq)
        ).scalar_one_or_none()
        if row != written.audit_hash:
            return "The audit chain is not the one that was written here"
    return None


def _unlike(known: _Known, pulse: Path) -> str | None:
    """Why the pulse is not the one that this database saw written."""
    if known.pulse is None:
        return None
    trouble = "The folder of state was restored in place, or its files were touched"
    if not pulse.exists():
        return trouble
    found = pulse.stat()
    if pulse.read_text(encoding="ascii", errors="replace").strip() == known.nonce:
        return None if found.st_ctime_ns == known.pulse else trouble
    # A run that died before the database committed leaves a pulse that is ahead.
    return None if found.st_ctime_ns - found.st_mtime_ns < _AT_ONCE_NS else trouble


def _beat(pulse: Path, nonce: str) -> int:
    """Rewrite the pulse; returns its ctime. Before the commit: a database never names a pulse that is not there."""
    write_atomic(pulse, nonce.encode() + b"\n")
    reach("generation.pulse")
    return pulse.stat().st_ctime_ns


def _raise(
    connection: sa.Connection, house: str, known: _Known, written: Stamp | None, inode: int, pulse: Path
) -> Stamp:
    number = max(known.number, written.number if written else 0) + 1
    nonce = secrets.token_hex(8)
    statement = sa.text(
        "insert into ledger_facts (name, number, value) values (:name, :number, :value) "
        "on conflict (name) do update set number = excluded.number, value = excluded.value"
    )
    value = f"{nonce} {written.nonce if written else ''} {_beat(pulse, nonce)}"
    connection.execute(statement, {"name": _PREFIX + house, "number": number, "value": value})
    seq, head = read_head(connection)
    return Stamp(number, nonce, inode, seq, head)


def _refused(trouble: str, path: Path) -> PermanentError:
    return PermanentError(
        f"{trouble}: touches that look unsent may have left already.",
        where=str(path),
        remedy="Find out what was sent since the copy was made, cancel or resolve those touches, then run "
        '`recovery deliver --send --adopt "who and why"`.',
    )
