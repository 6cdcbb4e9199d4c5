"""`recovery init` writes what the engine reads, and refuses what the law or the engine cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.initialise import Declared, SenderForm, write_env, write_sources
from cli.main import app
from contracts.errors import SettingError
from contracts.settings import Settings
from contracts.sources import load_sources

GOOD = {
    "sender_name": 'Harbor "&" Pine',
    "postal_address": "1 Example Street, Springfield, IL 62701, USA",
    "from_address": "hello@harborandpine.example.com",
    "unsubscribe_url": "https://harborandpine.example.com/unsubscribe",
}


def test_what_init_writes_is_what_the_engine_reads(tmp_path: Path) -> None:
    write_env(tmp_path / ".env", SenderForm.checked(**GOOD))
    settings = Settings(_env_file=tmp_path / ".env")  # type: ignore[call-arg]
    assert settings.sender_name == GOOD["sender_name"]
    assert settings.sender_postal_address == GOOD["postal_address"]
    assert settings.sender_from_address == GOOD["from_address"]
    assert settings.unsubscribe_url == GOOD["unsubscribe_url"]
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("sender_name", "  ", "needs a name"),
        ("postal_address", "here", "postal address"),
        ("postal_address", "Somewhere without number", "postal address"),
        ("from_address", "nobody", "@-sign"),
        ("unsubscribe_url", "http://example.com/u", "https://"),
    ],
)
def test_an_unusable_sender_is_refused(field: str, value: str, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        SenderForm.checked(**{**GOOD, field: value})


def test_declared_sources_load(tmp_path: Path) -> None:
    declared = Declared.parse(
        ["hs=hubspot:exports/hubspot", "sf=salesforce:exports/sf"],
        declarations=["hs=US:Jo Doe:all leads came from our US web form"],
        market="b2b",
        time_zone="America/Chicago",
    )
    write_sources(tmp_path / "sources.yml", declared)
    loaded = load_sources(tmp_path / "sources.yml")
    assert [source.name for source in loaded.sources] == ["hs", "sf"]
    assert loaded.sources[0].declaration is not None
    assert loaded.sources[0].declaration.country == "US"
    assert loaded.sources[1].declaration is None


@pytest.mark.parametrize(
    ("given", "declarations", "zone"),
    [
        (["hubspot"], [], "UTC"),
        (["hs=pipedrive:x"], [], "UTC"),
        (["hs=hubspot:x"], ["other=US:me:words"], "UTC"),
        (["hs=hubspot:x"], ["hs=USA:me:words"], "UTC"),
        (["hs=hubspot:x"], [], "Mars/Olympus"),
    ],
)
def test_an_unusable_source_is_refused(given: list[str], declarations: list[str], zone: str) -> None:
    with pytest.raises(SettingError):
        Declared.parse(given, declarations=declarations, market=None, time_zone=zone)


def test_init_asks_for_what_is_missing_and_never_overwrites(tmp_path: Path) -> None:
    answers = "\n".join([*GOOD.values(), "hs=hubspot:exports"]) + "\n"
    first = CliRunner().invoke(app, ["init", "--folder", str(tmp_path)], input=answers)
    assert first.exit_code == 0, first.output
    assert (tmp_path / "sources.yml").exists()
    second = CliRunner().invoke(app, ["init", "--folder", str(tmp_path)], input=answers)
    assert isinstance(second.exception, SettingError)
    assert "exist already" in str(second.exception)
