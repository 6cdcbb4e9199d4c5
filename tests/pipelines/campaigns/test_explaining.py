"""`recovery explain`: past decisions under what was known then, in words, without an address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from cli import commands_explain
from contracts.errors import BadInputError
from contracts.words import Channel
from pipelines.campaigns.explaining import explain_person
from pipelines.resources import Engine
from recovery.addresses import load_address_key
from recovery.ledger import schema as tables
from recovery.ledger.engine import writing
from recovery.permission import Stance
from tests.recovery.permission.ledger_world import NOW, World, lead, open_world

MAIL = "ann@acme.example"
AT = NOW.replace(tzinfo=UTC)


class Site:
    """An installation whose ledger can be filled by hand."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(
            root=str(folder), overrides={"var_dir": str(folder / "var")}, fixed_now="2026-06-03T15:00:00+00:00"
        )
        key = load_address_key(self.engine.settings.secrets_dir)
        self.world: World = open_world(self.engine.settings.ledger_sqlalchemy_url, key=key)

    def answers(self, who: str, at: datetime, channel: Channel = Channel.EMAIL) -> list[str]:
        told = explain_person(self.engine, who, at=at, channel=channel)
        return [
            one.decision.reason.value if one.decision.reason else one.decision.status.value for one in told.channels
        ]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.world.engine.dispose()


def test_a_past_touch_is_decided_under_what_was_known_then(site: Site) -> None:
    sent = site.world.touch("p1", MAIL, facts=lead(), state="sent", settled_at=NOW)
    site.world.now += timedelta(hours=1)
    site.world.says("opt_out", address=MAIL, evidence="link in a message", source="unsubscribe page")
    told = explain_person(site.engine, "p1", at=AT + timedelta(days=1), channel=Channel.EMAIL)
    [touch] = told.touches
    assert touch.touch_id == sent.touch_id
    assert touch.told.answer.startswith("E-mail: allowed, on the ground: inquiry.")
    assert told.channels[0].answer.startswith("E-mail: refused, because: opted out of this channel.")
    assert "of their own accord" in told.channels[0].answer
    said = next(sentence for sentence in told.channels[0].because if sentence.startswith("Opted out"))
    assert said.startswith("Opted out on 01 June 2026, for email, says unsubscribe page: link in a message")
    assert said.endswith("It closes this channel.")
    assert site.answers("p1", AT + timedelta(minutes=59)) == ["allowed"]
    assert site.answers("p1", AT + timedelta(minutes=60)) == ["opted_out"]


def test_a_person_is_found_by_every_name_and_no_address_is_told(site: Site) -> None:
    touch = site.world.touch("p1", MAIL, facts=lead())
    with writing(site.world.engine) as connection:
        connection.execute(
            sa.insert(tables.person_links).values(
                record_key="crm:contacts:7", person_id="p1", since=NOW, why="first", as_of_date=NOW.date()
            )
        )
        connection.execute(
            sa.insert(tables.contents).values(
                kind="touch", ref_id=touch.touch_id, person_id="p1", address=MAIL, created_at=NOW
            )
        )
    for name in ("p1", touch.touch_id, "crm:contacts:7", MAIL, MAIL.upper()):
        told = explain_person(site.engine, name, at=AT)
        assert told.person_id == "p1"
        assert "acme" not in repr(told)
    shown = explain_person(site.engine, "p1", at=AT, show_address=True)
    assert shown.addresses == (MAIL,)
    with pytest.raises(BadInputError, match="Nobody is known") as error:
        explain_person(site.engine, "nobody", at=AT)
    assert "nobody" in str(error.value)


def test_it_is_told_until_when_a_ground_reaches(site: Site) -> None:
    site.world.touch("p1", "+12125550100", facts=lead(), channel=Channel.CALL)
    told = explain_person(site.engine, "p1", at=AT, channel=Channel.CALL)
    assert told.reach == {Channel.CALL: datetime(2026, 8, 1, tzinfo=UTC)}
    assert "Reachable, unless something changes: call until 01 August 2026." in commands_explain._lines(told)
    gone = explain_person(site.engine, "p1", at=datetime(2026, 8, 1, 15, tzinfo=UTC), channel=Channel.CALL)
    assert gone.reach == {Channel.CALL: None}
    assert "Reachable through no channel." in commands_explain._lines(gone)


def test_an_address_that_only_a_list_names_is_explained_too(site: Site) -> None:
    site.world.says("complaint", address="lost@x.example", channel="all")
    told = explain_person(site.engine, "lost@x.example", at=AT)
    assert {one.decision.reason for one in told.channels} == {"complained"}


def test_every_channel_is_told_with_its_rule_and_how_it_was_read(site: Site) -> None:
    site.world.touch("p1", "+12125550100", facts=lead(state="FL"), channel=Channel.CALL)
    [call] = explain_person(site.engine, "p1", at=AT, channel=Channel.CALL).channels
    text = " ".join(call.because)
    assert "Rule us.fl.hours: Florida: 8 to 20." in text
    assert "Fla. Stat. 501.616(6)(a); read in a secondary source" in text
    assert "Clock of America/New_York: Monday, 01 June 2026, 11:00." in text
    assert call.answer.startswith("Call: allowed, on the ground: inquiry. The ground ends on 01 August 2026.")


def test_a_merged_half_is_named_and_counts(site: Site) -> None:
    site.world.touch("p1", MAIL, facts=lead())
    site.world.says("objection", address="old@x.example", person_id="p2", channel="all")
    with writing(site.world.engine) as connection:
        connection.execute(
            sa.insert(tables.person_aliases).values(
                alias_id="a", person_id="p2", canonical_id="p1", kind="merge", why="email", source="identity",
                since=NOW, recorded_at=NOW + timedelta(days=1),
            )
        )  # fmt: skip
    assert site.answers("p1", AT + timedelta(hours=23)) == ["allowed"]
    assert site.answers("p1", AT + timedelta(days=1)) == ["objected"]
    assert explain_person(site.engine, "p1", at=AT + timedelta(days=1)).also == ("p2",)


def test_the_command_tells_words_and_json(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.world.touch("p1", MAIL, facts=lead())
    site.world.says("express_consent", address=MAIL, stance=Stance.ALLOWED, source="form")

    monkeypatch.setattr(commands_explain, "find_workspace", lambda sources: SimpleNamespace(engine=site.engine))
    app = typer.Typer()
    commands_explain.register(app)
    run = CliRunner()
    words = run.invoke(app, ["p1", "--at", "2026-06-01T15:30", "--channel", "email"])
    assert words.exit_code == 0, words.output
    assert "E-mail: allowed, on the ground: express consent." in words.output
    assert "Gave express consent on 01 June 2026, for email, says form." in words.output
    assert "acme" not in words.output
    found = json.loads(run.invoke(app, ["p1", "--at", "2026-06-01T15:30", "--json"]).output)
    assert found["reachable_until"]["email"] == "open"
    assert found["reachable_until"]["sms"] is None
    assert "Reachable, unless something changes: email without an end." in words.output
    by_channel = {one["channel"]: one for one in found["channels"]}
    assert by_channel["email"]["basis"] == "express_consent"
    assert by_channel["sms"]["status"] == "refused"
    wrong = run.invoke(app, ["p1", "--at", "yesterday"])
    assert isinstance(wrong.exception, BadInputError)
