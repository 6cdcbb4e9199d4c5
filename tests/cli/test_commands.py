"""The commands on a small installation: words for people, exit codes, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from cli import workspace as workspaces
from cli.doctor import Finding, examine, locked_versions
from cli.main import app
from cli.servers import port_is_free
from cli.workspace import find_workspace
from contracts.errors import SettingError
from contracts.settings import Settings
from pipelines.resources import PROJECT_ROOT

runner = CliRunner()

CONTACTS = "name,email,since\nAda,ada@example.com,2026-01-02\nBob,bob@example.com,2026-02-03\n"
SOURCES = """
version: 1
sources:
  - name: own
    crm: mapped_csv
    path: .
    time_zone: UTC
    history: {until: 2026-06-01, assumed_lag_hours: 1}
    mapping:
      - object: leads
        file: contacts.csv
        date_format: "%Y-%m-%d"
        columns: {record_id: email, first_name: name, email: email, created_at: since}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sources and state of its own."""
    (tmp_path / "contacts.csv").write_text(CONTACTS)
    (tmp_path / "sources.yml").write_text(SOURCES)
    monkeypatch.setenv("RECOVERY_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("RECOVERY_SOURCES_FILE", str(tmp_path / "sources.yml"))
    return tmp_path


def _findings(settings: Settings, sources: Path | None = None) -> dict[str, Finding]:
    return {found.subject: found for found in examine(settings, sources=sources)}


def test_status_before_the_first_day_says_what_to_do(own: Path) -> None:
    told = runner.invoke(app, ["status"])
    assert told.exit_code == 0, told.output
    assert "recovery run" in told.output


def test_pause_is_seen_in_status_and_resume_lifts_it(own: Path) -> None:
    assert runner.invoke(app, ["pause", "--reason", "checking a list"]).exit_code == 0
    assert "checking a list" in runner.invoke(app, ["status"]).output
    assert "Resumed" in runner.invoke(app, ["resume"]).output
    assert "Nothing was paused" in runner.invoke(app, ["resume"]).output


def test_map_proposes_and_shows_what_is_unmapped(own: Path) -> None:
    (own / "odd.csv").write_text(
        "Email Address,Signup Date,Zorblax\na@example.com,2026-01-02,7\nb@example.com,2026-01-03,8\n"
    )
    told = runner.invoke(app, ["map", str(own / "odd.csv")])
    assert told.exit_code == 0, told.output
    assert "email" in told.output
    assert "unmapped" in told.output


def test_a_wrong_date_is_one_readable_paragraph_and_no_traceback(own: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", "--as-of", "yesterday"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "is not a date" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_missing_sources_say_how_to_declare_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("RECOVERY_SOURCES_FILE", str(tmp_path / "none.yml"))
    with pytest.raises(SettingError, match="recovery init"):
        find_workspace()
    with pytest.raises(SettingError, match="does not exist"):
        find_workspace(tmp_path / "other.yml")


def test_a_trial_on_other_sources_keeps_its_state_apart(own: Path) -> None:
    trial = own / "trial" / "sources.yml"
    trial.parent.mkdir()
    trial.write_text(SOURCES)
    assert find_workspace(trial).var_dir == own / "var" / "workspaces" / "trial"
    assert find_workspace(own / "sources.yml").var_dir == own / "var"
    assert not find_workspace(trial).is_demo


def test_the_demo_is_found_when_nothing_else_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("RECOVERY_SOURCES_FILE", str(tmp_path / "none.yml"))
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "sources.yml").write_text(SOURCES)
    found = find_workspace()
    assert found.is_demo
    assert found.engine.settings.sender_name == workspaces.DEMO_SENDER["sender_name"]


def test_doctor_names_what_is_missing_with_a_remedy(own: Path) -> None:
    settings = Settings().model_copy(update={"var_dir": own / "var"})
    found = _findings(settings)
    assert found["Python"].state == "good"
    assert found["Packages"].state == "good", found["Packages"].told
    assert found["Sender"].state == "warning"
    assert "recovery init" in found["Sender"].remedy
    assert found["Sources"].state == "warning"
    assert all(item.remedy for item in found.values() if item.state != "good")


def test_doctor_sees_a_held_lock_leftovers_and_broken_sources(own: Path) -> None:
    settings = Settings().model_copy(update={"var_dir": own / "var"})
    lock = own / "var" / "locks" / "run.lock"
    lock.parent.mkdir(parents=True)
    (own / "var" / "outbox").mkdir()
    (own / "var" / "outbox" / ".batch.123.tmp").write_text("half")
    (own / "broken.yml").write_text("version: 1\nsources:\n  - {name: x, crm: pipedrive, path: .}\n")
    with FileLock(lock):
        found = _findings(settings, own / "broken.yml")
    assert found["Run lock"].state == "warning"
    assert found["Half-written files"].state == "warning"
    assert found["Sources"].state == "bad"


def test_doctor_command_ends_red_only_for_what_is_bad(own: Path) -> None:
    assert runner.invoke(app, ["doctor"]).exit_code == 0
    (own / "sources.yml").write_text("version: 7\n")
    assert runner.invoke(app, ["doctor"]).exit_code == 1


def test_the_lock_file_is_read(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("psycopg[binary]==3.3.9 \\\n    --hash=sha256:00\ncolorama==0.4.6 ; sys_platform == 'win32' \\\n")
    assert locked_versions(lock) == {"psycopg": "3.3.9", "colorama": "0.4.6"}


def test_a_taken_port_is_seen() -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        assert not port_is_free(holder.getsockname()[1])


def test_suppressing_a_list_says_how_many(own: Path) -> None:
    (own / "stop.csv").write_text("email\nada@example.com\nnot an address\n")
    told = runner.invoke(app, ["suppress", str(own / "stop.csv")])
    assert told.exit_code == 0, told.output
    assert "suppressed" in told.output


def test_simulate_writes_a_world_and_never_its_truth_below_it(tmp_path: Path) -> None:
    told = runner.invoke(app, ["simulate", "--people", "60", "--out", str(tmp_path / "world"), "--as-of", "2026-06-01"])
    assert told.exit_code == 0, told.output
    assert (tmp_path / "world" / "sources.yml").exists()
    assert (tmp_path / "truth").exists()


def test_the_clock_of_an_engine_can_be_fixed(own: Path) -> None:
    engine = find_workspace().engine.model_copy(update={"fixed_now": "2026-06-01T05:00:00+00:00"})
    assert engine.now() == datetime(2026, 6, 1, 5, tzinfo=UTC)
