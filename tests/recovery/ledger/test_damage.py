"""A ledger's rows cannot be replaced in silence, and a damaged file is told as one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.doctor import Finding, _audit
from contracts.errors import PermanentError
from contracts.settings import Settings
from recovery.ledger import open_ledger
from recovery.ledger.audit import AuditEntry, append_audit
from recovery.ledger.engine import make_engine, reading, writing

NOW = datetime(2026, 6, 1, 5)
_OPT_OUT = (
    "insert {how} into suppressions (suppression_id, address_hash, sender_id, channel, reason, source, since, "
    "recorded_at) values ('s1', '{whom}', 'main', 'all', 'opt_out', 'page', '2026-06-01', '2026-06-01')"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(var_dir=tmp_path / "var")
    open_ledger(made.ledger_sqlalchemy_url).close()
    return made


def finding(settings: Settings) -> Finding:
    (found,) = _audit(settings)
    return found


def test_an_opt_out_cannot_be_moved_to_somebody_else(settings: Settings) -> None:
    engine = make_engine(settings.ledger_sqlalchemy_url)
    with writing(engine) as connection:
        connection.exec_driver_sql(_OPT_OUT.format(how="", whom="k:ann"))
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), writing(engine) as connection:
        connection.exec_driver_sql(_OPT_OUT.format(how="or replace", whom="k:nobody"))
    with reading(engine) as connection:
        assert connection.exec_driver_sql("select address_hash from suppressions").scalar() == "k:ann"


def test_the_doctor_reads_the_audit(settings: Settings) -> None:
    engine = make_engine(settings.ledger_sqlalchemy_url)
    with writing(engine) as connection:
        append_audit(connection, [AuditEntry("touches_marked", f"b{n}", {}) for n in range(3)], at=NOW)
    assert (finding(settings).state, finding(settings).told[:9]) == ("good", "3 entries")
    with engine.connect() as connection:
        connection.exec_driver_sql("drop trigger keep_audit_from_update")
        connection.exec_driver_sql("update audit set subject = 'b9' where seq = 2")
        connection.commit()
    assert finding(settings).state == "bad"
    assert "at entry 2" in finding(settings).told


def test_a_damaged_file_is_told_with_a_remedy(settings: Settings) -> None:
    file = settings.var_dir / "ledger" / "ledger.sqlite"
    for path in file.parent.glob("ledger.sqlite-*"):
        path.unlink()
    file.write_bytes(b"no database at all " * 1_000)
    with pytest.raises(PermanentError, match="cannot be read") as raised:
        open_ledger(settings.ledger_sqlalchemy_url)
    assert "backup" in str(raised.value)
    assert finding(settings).state == "bad"
