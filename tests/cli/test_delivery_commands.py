"""Plan, approve, deliver, batches: what they refuse, and that each refusal says what, where and remedy."""

from __future__ import annotations

import csv
import os
import signal
import socket
import threading
from datetime import datetime

import pytest
import sqlalchemy as sa

from cli.commands_deliver import _drained_by_signals
from recovery.addresses import load_address_key
from recovery.delivery import preflight
from recovery.delivery.words import TouchState
from recovery.ledger import BatchState, open_ledger
from recovery.ledger.engine import make_engine, writing
from recovery.ledger.schema import metadata
from recovery.permission import Stance
from recovery.permission.book import Entry, record_words
from tests.cli.installation import AFTERNOON, Installation, Told, house
from tests.pipelines.campaigns.world import DAY, later
from tests.recovery.sinks.smtp_server import Mailbag, mail_server

__all__ = ["house"]


def refused(told: Told, what: str, remedy: str, where: str = "") -> None:
    """One paragraph on stderr, exit code 1, no traceback."""
    assert told.code == 1, told.text
    for part in (what, f"remedy {remedy}", where):
        assert part in told.errors, told.text
    assert "Traceback" not in told.text


def batch_id(house: Installation) -> str:
    return house.batches()[-1].batch_id


def planned(house: Installation, **settings: object) -> str:
    house.set(sending_allowed=True, capacity_call=0, **settings)
    assert house.run("plan").code == 0
    return batch_id(house)


def over_smtp(house: Installation, port: int) -> None:
    house.set(sinks={"email": "smtp"}, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none")


def change(house: Installation, statement: str) -> None:
    engine = make_engine(house.settings.ledger_sqlalchemy_url)
    with writing(engine) as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def test_the_plan_shows_cost_exposure_effect_and_what_would_unlock(house: Installation) -> None:
    told = house.run("plan", "--as-of", "2026-06-01")
    assert told.code == 0
    for words in (
        "to be contacted 17", "held out 3", "cost of sending 0.03", "agent minutes 0", "902,496 USD",
        "expected reactivations 0.30 (not incremental evidence)", "the holdout can show 56.3%",
        "Raise RECOVERY_CAPACITY_EMAIL",
    ):  # fmt: skip
        assert words in told.text
    assert house.run("plan").text.endswith(f"sha256 {house.batches()[0].sha256} ")
    refused(house.run("plan", "--as-of", "june"), "'june' is not a date.", "Write it as YYYY-MM-DD")


def test_a_day_without_anybody_says_so(house: Installation) -> None:
    house.set(capacity_email=0, capacity_call=0)
    told = house.run("plan")
    assert (told.code, "No batch: Nobody is contacted today." in told.text) == (0, True), told.text
    assert "There is no batch yet" in house.run("batches").text


def test_an_unknown_batch_is_told_by_every_command(house: Installation) -> None:
    house.set(sending_allowed=True)
    for words in (
        ("approve", "nope", "--sha256", "0" * 64), ("approve", "nope", "--show", "2"), ("deliver", "--batch", "nope"),
        ("deliver", "--send", "--batch", "nope"), ("batches", "--pause", "nope"), ("batches", "--resume", "nope"),
        ("batches", "--cancel", "nope"), ("batches", "--replay", "nope"),
    ):  # fmt: skip
        refused(house.run(*words), "There is no such batch.", "`recovery batches` names them.", "where nope")
    refused(house.run("batches", "--resolve", "nope", "--as", "sent"), "No such touch is unknown.", "`recovery deliver")
    refused(house.run("batches", "--resolve", "nope"), "resolved as sent or not-sent", "Add --as sent.")


def test_an_approval_names_the_hash_and_only_a_waiting_batch_takes_it(house: Installation) -> None:
    name = planned(house, approve_up_to_touches=5)
    assert house.batches()[0].state is BatchState.RECORDED
    assert f"{name} waits for approval" in house.run("batches").text
    refused(house.run("approve", name), "An approval names the hash", "Copy it from `recovery plan`")
    refused(house.run("approve", name, "--sha256", "0" * 64), "not the one that was looked at", "Look at the plan")
    sha256 = house.batches()[0].sha256
    refused(house.run("approve", name, "--sha256", sha256, "--defects", "1"), "Defects belong to a sample.", "Say how")
    told = house.run("approve", name, "--sha256", sha256, "--sample", "17")
    refused(told, "Up to 16.2% of the batch may be defective", "Read more messages, or all of them")
    house.set(approve_defect_rate=0.2)
    told = house.run("approve", name, "--sha256", sha256, "--sample", "17", "--by", "ann")
    assert f"Approved {name}, at most 16.2% defective (95 %)." in told.text
    refused(house.run("approve", name, "--sha256", sha256), "does not wait for approval", "`recovery batches` shows")
    refused(house.run("approve", name, "--show", "1"), "does not wait for approval", "`recovery batches` shows")


def test_without_leave_nothing_is_sent_and_a_dry_run_is_the_default(house: Installation) -> None:
    with mail_server() as bag:
        over_smtp(house, bag.port)
        planned(house)
        house.set(sending_allowed=False)
        house.clock = AFTERNOON
        assert "Through smtp, email: 17 due now. Dry run: nothing was sent." in house.run("deliver").text
        told = house.run("deliver", "--send")
        refused(told, "Sending is not allowed on this installation.", "Set it to true", "RECOVERY_SENDING_ALLOWED")
        assert bag.mails == []


@pytest.mark.parametrize("brake", ["pause", "switch"])
def test_a_paused_installation_says_why_and_how_to_go_on(
    house: Installation, brake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as bag:
        over_smtp(house, bag.port)
        planned(house)
        house.clock = AFTERNOON
        if brake == "pause":
            assert house.run("pause", "--reason", "too many bounces").code == 0
            refused(house.run("deliver", "--send"), "is paused: too many bounces.", "`recovery resume`", "paused.json")
            assert house.run("resume").code == 0
        else:
            monkeypatch.setenv("NURTURING_AGENT_ENABLED", "false")
            refused(house.run("deliver", "--send"), "is switched off", "Set it to true.", "NURTURING_AGENT_ENABLED")
            monkeypatch.setenv("NURTURING_AGENT_ENABLED", "true")
        assert bag.mails == []
        assert "This run: 17 sent." in house.run("deliver", "--send").text


def test_a_sink_that_is_none_or_has_no_settings_is_told(house: Installation) -> None:
    house.set(sending_allowed=True, sinks={"email": "pigeon"})
    refused(
        house.run("deliver", "--send"), "email: pigeon names no channel or no sink.", "Channels are", "RECOVERY_SINKS"
    )
    refused(house.run("plan"), "email: pigeon names no channel or no sink.", "Channels are", "RECOVERY_SINKS")
    house.set(sinks={"email": "smtp"})
    refused(house.run("deliver", "--send"), "whose settings are incomplete", "Set it, or take", "RECOVERY_SMTP_HOST")


def test_a_dead_host_is_told_nothing_is_lost_and_the_next_run_sends(house: Installation) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    over_smtp(house, port)
    planned(house)
    house.clock = AFTERNOON
    told = house.run("deliver", "--send")
    refused(told, "The far end took nothing: unreachable (17).", "Check its host", f"mail server 127.0.0.1:{port}")
    assert "This run: 17 put off. The next touch is due at 2026-06-01 15:00 UTC." in told.text
    assert house.count(TouchState.APPROVED) == 17
    with mail_server() as bag:
        over_smtp(house, bag.port)
        house.clock = "2026-06-01T15:05:00+00:00"
        assert house.run("deliver", "--send").code == 0
        assert len(bag.mails) == 17


def test_wrong_credentials_stop_the_sink_and_burn_no_touch(house: Installation) -> None:
    def locked(bag: Mailbag) -> None:
        bag.password = ("ann", "right")

    with mail_server(locked) as bag:
        over_smtp(house, bag.port)
        house.set(smtp_username="ann", smtp_password="wrong")
        planned(house)
        house.clock = AFTERNOON
        told = house.run("deliver", "--send")
        refused(told, "The mail server refuses the login.", "Check RECOVERY_SMTP_USERNAME", f"127.0.0.1:{bag.port}")
        assert "Not done: smtp" in told.errors
        assert "wrong" not in told.text
        assert (house.count(TouchState.APPROVED), bag.mails) == (17, [])
        house.set(smtp_password="right")
        assert "This run: 17 sent." in house.run("deliver", "--send").text


def test_a_batch_that_changed_after_approval_is_held_and_the_others_go_on(house: Installation) -> None:
    with mail_server() as bag:
        over_smtp(house, bag.port)
        first = planned(house)
        change(house, "update assignments set expires_at = '2027-01-01 00:00:00.000000' where arm <> 'held_out'")
        house.clock = AFTERNOON
        told = house.run("deliver", "--send", "--batch", first)
        refused(told, "Recipients, words or windows changed since the batch was made.", f"Cancel it (`recovery batches "
                f"--cancel {first}`)", f"where {first}")  # fmt: skip
        assert house.batches()[0].state is BatchState.PAUSED
        assert house.run("batches", "--resume", first).code == 0
        house.world.write(later(1))
        house.clock = "2026-06-02T15:00:00+00:00"
        second = planned(house)
        told = house.run("deliver", "--send")
        refused(told, "changed since the batch was made", "Cancel it", f"Not done: {first}")
        assert house.batches()[1].batch_id == second != first
        assert (len(bag.mails), house.count(TouchState.SENT, batch=1)) == (house.batches()[1].planned,) * 2
        assert "17 touches are skipped." in house.run("batches", "--cancel", first, "--why", "tampered").text
        assert house.run("deliver", "--send").code == 0


def test_new_scores_after_approval_refuse_the_batch(house: Installation) -> None:
    from contracts.published import publish, read_published

    with mail_server() as bag:
        over_smtp(house, bag.port)
        planned(house)
        scores = read_published(house.settings.published_dir, dataset="lead_scores", as_of=DAY)
        publish(
            house.settings.published_dir, dataset="lead_scores", as_of=DAY, table=scores, facts={"fingerprint": "g"}
        )
        house.clock = AFTERNOON
        refused(house.run("deliver", "--send"), "The model changed since the batch was made.", "Cancel it")
        assert bag.mails == []


def test_a_person_who_left_after_the_plan_is_in_no_file(house: Installation) -> None:
    """The outbox is written at approval: whoever refused since the plan is not in it."""
    name = planned(house, approve_up_to_touches=5)
    key = load_address_key(house.settings.secrets_dir)
    with open_ledger(house.settings.ledger_sqlalchemy_url) as ledger:
        contents = metadata.tables["contents"]
        with writing(ledger.engine) as connection:
            query = sa.select(contents.c.address).where(contents.c.kind == "touch").order_by(contents.c.ref_id)
            leaver = connection.execute(query.limit(1)).scalar_one()
            entry = Entry("email", Stance.REFUSED, "opt_out", "reply", address_hash=key.hash(leaver))
            record_words(connection, [entry], now=house.world.engine().now().replace(tzinfo=None))
    assert house.run("approve", name, "--sha256", house.batches()[0].sha256).code == 0
    folder = house.settings.outbox_dir / name
    with (folder / "email.csv").open(encoding="utf-8", newline="") as handle:
        written = [row["to_address"] for row in csv.DictReader(handle)]
    assert len(written) == len(list((folder / "eml").iterdir())) == 16
    assert leaver not in written
    assert (house.count(TouchState.SENT), house.count(TouchState.SKIPPED)) == (16, 4)


def test_m03_complaints_near_the_limit_are_told(house: Installation) -> None:
    with mail_server() as bag:
        over_smtp(house, bag.port)
        planned(house)
        house.clock = AFTERNOON
        assert "Warning" not in house.run("deliver", "--send").text
    change(
        house,
        "insert into provider_events (provider, event_id, address_hash, kind, occurred_at, received_at) "
        "select 'fbl', 'c1', address_hash, 'complaint', '2026-06-01 15:00:00.000000', '2026-06-01 15:00:00.000000' "
        "from touches where state = 'sent' limit 1",
    )
    for words in (("deliver",), ("batches",)):
        assert "Warning 1 complaint about 17 email touches in seven days" in house.run(*words).text


def test_the_first_ctrl_c_drains_and_the_second_ends(house: Installation) -> None:
    drained = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), _drained_by_signals(drained.set):
        os.kill(os.getpid(), signal.SIGINT)
        assert drained.is_set()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_dead_letters_and_unknown_touches_are_listed_and_given_a_second_chance(house: Installation) -> None:
    def trouble(bag: Mailbag) -> None:
        people = [row["email"] for row in house.world.people]
        bag.faults = {email: ("content_5xx", "drop_after_content")[n % 2] for n, email in enumerate(people)}

    with mail_server(trouble) as bag:
        over_smtp(house, bag.port)
        name = planned(house)
        house.clock = AFTERNOON
        assert house.run("deliver", "--send").code == 0
        failed, unknown = house.count(TouchState.FAILED), house.count(TouchState.UNKNOWN)
        assert failed + unknown == 17
        assert failed
        assert unknown
        listed = house.run("deliver", "--unknown")
        assert "never sent again by themselves" in listed.text
        assert "refused 554" in house.run("deliver", "--dead-letters").text
        bag.faults = {}
        assert f"{failed} touches will be tried again." in house.run("batches", "--replay", name).text
        assert f"This run: {failed} sent." in house.run("deliver", "--send").text
        assert house.count(TouchState.UNKNOWN) == unknown
        assert len({to for to, _ in bag.mails}) == len(bag.mails) == 17


def test_a_bulk_sender_without_its_dns_facts_sends_nothing(
    house: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-01, M-02, M-10: refused at the automatic approval, at a human's and at the delivery."""
    monkeypatch.setattr(preflight, "BULK", {preflight.Provider.GMAIL: 15, preflight.Provider.MICROSOFT: 15})
    house.world.people = [row | {"email": f"lead{n}@gmail.com"} for n, row in enumerate(house.world.people)]
    house.world.write()
    with mail_server() as bag:
        over_smtp(house, bag.port)
        house.set(sending_allowed=True, capacity_call=0)
        told = house.run("plan")
        assert "to mailboxes of gmail 17" in told.text
        assert "The batch waits for approval: acme.example is a bulk sender for Gmail" in told.text
        name, sha256 = batch_id(house), house.batches()[0].sha256
        refused(house.run("approve", name, "--sha256", sha256), "nobody declares SPF, DKIM", "Mend the records",
                "RECOVERY_SENDER_DNS")  # fmt: skip
        dns = {"spf": True, "dkim_bits": 2048, "dkim_domain": "acme.example", "dmarc": "none", "tls": True, "ptr": True}
        house.set(sender_dns=dns | {"by": "ann", "on": "2026-06-01"})
        assert house.run("approve", name, "--sha256", sha256).code == 0
        house.clock = AFTERNOON
        house.set(sender_dns=dns | {"by": "ann", "on": "2026-06-01", "dmarc": ""})
        refused(house.run("deliver", "--send"), "no DMARC record", "Mend the records", f"Not done: {name}")
        assert bag.mails == []
        house.set(sender_dns=dns | {"by": "ann", "on": "2026-06-01"})
        assert house.run("batches", "--resume", name).code == 0
        assert "This run: 17 sent." in house.run("deliver", "--send").text


def test_the_audit_is_green_until_a_statement_is_changed(house: Installation) -> None:
    planned(house)
    engine = make_engine(house.settings.ledger_sqlalchemy_url)
    entry = Entry("email", Stance.REFUSED, "opt_out", "form", address_hash="h")
    with writing(engine) as connection:
        record_words(connection, [entry], now=datetime(2026, 6, 1, 5))
    engine.dispose()
    told = house.run("audit")
    assert told.code == 0, told.text
    assert "as they were written" in told.text
    change(house, "drop trigger keep_suppressions_from_delete")
    change(house, "delete from suppressions where address_hash = 'h'")
    refused(house.run("audit"), "changed, dropped or slipped in", "Pause delivery")
