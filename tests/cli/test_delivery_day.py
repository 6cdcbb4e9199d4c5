"""A day from plan to the inbox and back, typed as a user types it, over a local mail server."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx

from contracts.published import read_published
from recovery.delivery.words import TouchState
from serving.app import feedback_app
from serving.run import open_feedback
from tests.cli.installation import AFTERNOON, Installation, house
from tests.pipelines.campaigns.world import DAY, later
from tests.recovery.sinks.smtp_server import Mailbag, mail_server
from tests.serving.conftest import InProcess

__all__ = ["house"]


def through(house: Installation, bag: Mailbag) -> None:
    house.set(sinks={"email": "smtp"}, smtp_host="127.0.0.1", smtp_port=bag.port, smtp_security="none")
    house.set(sending_allowed=True, approve_up_to_touches=5, capacity_call=0)


def decided(house: Installation, day: object, decision: str) -> set[str]:
    rows = read_published(house.settings.published_dir, dataset="campaign_plan", as_of=day).to_pylist()
    return {row["person_id"] for row in rows if row["decision"] == decision}


def test_a_day_leaves_once_and_an_unsubscribe_holds_back_the_next_touch(house: Installation) -> None:
    with mail_server() as bag:
        through(house, bag)
        planned = house.run("plan")
        assert planned.code == 0, planned.text
        (batch,) = house.batches()
        assert f"recovery approve {batch.batch_id} --sha256 {batch.sha256[:16]}" in planned.text
        assert "CAN-SPAM" in planned.text

        assert "waits for approval" in house.run("deliver", "--send").text
        assert bag.mails == [], "default deny"
        shown = house.run("approve", batch.batch_id, "--show", "2")
        assert shown.text.count("This is an advertisement from Acme Recovery") == 2
        assert house.run("approve", batch.batch_id, "--sha256", batch.sha256, "--by", "ann").code == 0

        dry = house.run("deliver")
        assert "Through smtp, email: 0 due now, 17 from 2026-06-01 13:00 UTC on. Dry run" in dry.text
        house.clock = AFTERNOON
        assert "17 due now. Dry run: nothing was sent." in house.run("deliver").text
        assert bag.mails == []

        sent = house.run("deliver", "--send")
        assert (sent.code, "This run: 17 sent." in sent.text) == (0, True), sent.text
        people = {row["person_id"]: row["email"] for row in house.world.people}
        assert {to for to, _ in bag.mails} == {people[who] for who in decided(house, DAY, "contacted")}
        assert len(bag.mails) == house.count(TouchState.SENT) == batch.planned
        again = house.run("deliver", "--send")
        assert (again.code, "nothing was due" in again.text, len(bag.mails)) == (0, True, 17)

        leaver = _unsubscribe(house, bag)
        _second_step(house, bag, leaver, people)


def _unsubscribe(house: Installation, bag: Mailbag) -> str:
    """One click of the mailbox provider: the header's own address, one POST."""
    message = bag.messages()[0]
    link = urlsplit(re.fullmatch(r"<(https://[^>]+)>", message["List-Unsubscribe"]).group(1))  # type: ignore[union-attr]
    with open_feedback(house.settings) as feedback:
        app = feedback_app(feedback)
        with httpx.Client(transport=InProcess(app), base_url="https://acme.example") as client:
            answer = client.post(f"{link.path}?{link.query}", content="List-Unsubscribe=One-Click")
    assert answer.status_code == 200
    return bag.mails[0][0]


def _second_step(house: Installation, bag: Mailbag, leaver: str, people: dict[str, str]) -> None:
    """Five weeks later everybody is due for the next step but the one who left."""
    first = {to for to, _ in bag.mails}
    day = later(35)
    house.clock = (datetime.fromisoformat(AFTERNOON) + timedelta(days=35)).isoformat()
    house.world.write(day)
    house.set(approve_up_to_touches=100)
    assert house.run("plan").code == 0
    chosen = {people[who] for who in decided(house, day, "contacted")}
    assert house.run("deliver", "--send").code == 0
    second = {to for to, _ in bag.mails[17:]}
    assert second & first
    assert leaver not in second
    assert chosen == second
    rows = read_published(house.settings.published_dir, dataset="campaign_plan", as_of=day).to_pylist()
    assert {people[row["person_id"]] for row in rows if row["reason"] == "opted_out"} == {leaver}
