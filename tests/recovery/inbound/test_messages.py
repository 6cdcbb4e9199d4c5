"""Bounces, complaints and replies as mail systems really send them, and broken ones."""

from __future__ import annotations

import mailbox
import random
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInputError
from recovery.inbound.events import EventKind as K
from recovery.inbound.mailbox import read_messages
from recovery.inbound.messages import events_of

NOW = datetime(2026, 6, 1, 12)


def dsn(*recipients: tuple[str, str, str], original: str = "Message-ID: <touch-00001@acme.example>") -> bytes:
    blocks = "\n".join(
        f"\nFinal-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 no"
        for address, action, status in recipients
    )
    return f"""From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: hello@acme.example
Subject: Undelivered Mail Returned to Sender
Date: Mon, 01 Jun 2026 09:00:05 +0000
Message-ID: <bounce-1@mx.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

This is the mail system. Your message could not be delivered. Unsubscribe, stop.
--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
{blocks}

--B
Content-Type: text/rfc822-headers

From: hello@acme.example
{original}
Subject: Hello

--B--
""".encode()


CODES = [
    ("failed", "5.1.1", K.HARD_BOUNCE), ("failed", "5.1.2", K.HARD_BOUNCE), ("failed", "5.1.10", K.HARD_BOUNCE),
    ("failed", "5.2.1", K.HARD_BOUNCE), ("failed", "5.0.0", K.HARD_BOUNCE), ("failed", "5.4.4", K.HARD_BOUNCE),
    ("failed", "5.2.2", K.SOFT_BOUNCE), ("failed", "5.7.1", K.SOFT_BOUNCE), ("failed", "4.4.1", K.SOFT_BOUNCE),
    ("failed", "5.3.4", K.SOFT_BOUNCE), ("delayed", "4.4.7", K.SOFT_BOUNCE), ("delivered", "2.0.0", K.DELIVERED),
    ("relayed", "2.0.0", K.SOFT_BOUNCE), ("failed", "nonsense", K.SOFT_BOUNCE),
]  # fmt: skip


@pytest.mark.parametrize(("action", "status", "kind"), CODES)
def test_a_notification_names_touch_recipient_and_class(action: str, status: str, kind: K) -> None:
    """RFC 3464, RFC 3463."""
    (event,) = events_of(dsn(("ann@x.example", action, status)), now=NOW)
    assert (event.kind, event.touch_id, event.address) == (kind, "touch-00001", "ann@x.example")
    assert event.occurred_at == datetime(2026, 6, 1, 9, 0, 5)
    assert event.event_id == "bounce-1@mx.example#0"


def test_several_recipients_are_several_events_and_without_an_id_the_address_speaks() -> None:
    two = events_of(
        dsn(("a@x.example", "failed", "5.1.1"), ("b@x.example", "delayed", "4.2.2"), original="X: y"), now=NOW
    )
    assert [(event.kind, event.address, event.touch_id) for event in two] == [
        (K.HARD_BOUNCE, "a@x.example", None), (K.SOFT_BOUNCE, "b@x.example", None)
    ]  # fmt: skip
    assert len({event.event_id for event in two}) == 2


QMAIL = b"""From: MAILER-DAEMON@mx.example
To: hello@acme.example
Subject: failure notice

Hi. This is the qmail-send program at mx.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<gone@x.example>:
Sorry, no mailbox here by that name. (#5.1.1)
"""


def test_servers_that_follow_no_standard_are_understood() -> None:
    (event,) = events_of(QMAIL, now=NOW)
    assert (event.kind, event.address) == (K.HARD_BOUNCE, "gone@x.example")


COMPLAINT = b"""From: feedback@isp.example
To: abuse@acme.example
Subject: FW: Hello
Message-ID: <fbl-9@isp.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an email abuse report.
--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <ann@x.example>

--B
Content-Type: message/rfc822

From: hello@acme.example
To: ann@x.example
Message-ID: <touch-00004@acme.example>
Subject: Hello

Hello
--B--
"""


def test_a_complaint_of_a_mailbox_provider_finds_its_touch() -> None:
    """RFC 5965."""
    (event,) = events_of(COMPLAINT, now=NOW)
    assert (event.kind, event.touch_id, event.address) == (K.COMPLAINT, "touch-00004", "ann@x.example")


def reply(text: str, **fields: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = (
        "Ann Lee <ann@x.example>",
        "hello@acme.example",
        fields.pop("subject", "Re: Hi"),
    )
    mail["Message-ID"] = fields.pop("message_id", "<r1@x.example>")
    mail["In-Reply-To"] = fields.pop("to", "<touch-00002@acme.example>")
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


def test_a_reply_finds_its_touch_and_its_meaning() -> None:
    (event,) = events_of(reply("Bitte abmelden"), now=NOW)
    assert (event.kind, event.touch_id, event.address, event.event_id) == (
        K.OPT_OUT, "touch-00002", "ann@x.example", "r1@x.example"
    )  # fmt: skip
    (late,) = events_of(reply("Not now, try again in 6 weeks"), now=NOW)
    assert (late.kind, late.resume_on) == (K.NOT_NOW, datetime(2026, 7, 13, 12))
    (away,) = events_of(reply("unsubscribe", Auto_Submitted="auto-replied"), now=NOW)
    assert away.kind is K.AUTO_REPLY
    (erase,) = events_of(reply("Please delete my data"), now=NOW)
    assert (erase.kind, erase.detail) == (K.OBJECTION, "asks_for_erasure")


def test_html_without_a_plain_part_is_read_without_its_quotation() -> None:
    mail = EmailMessage()
    mail["From"], mail["In-Reply-To"] = "ann@x.example", "<touch-00002@acme.example>"
    mail.set_content(
        "<html><head><title>stop</title><style>unsubscribe{}</style></head><body><p>Yes, please</p>"
        "<blockquote>Unsubscribe with one click</blockquote></body></html>",
        subtype="html",
    )
    (event,) = events_of(mail.as_bytes(), now=NOW)
    assert event.kind is K.REPLY
    mail.set_content("<div>Unsub&#115;cribe<br>me</div>", subtype="html")
    assert events_of(mail.as_bytes(), now=NOW)[0].kind is K.OPT_OUT


def test_every_charset_and_encoding_is_read() -> None:
    for charset in ("utf-8", "iso-8859-1", "windows-1252", "utf-16", "nonsense"):
        body = "Bitte löschen Sie mich aus dem Verteiler".encode("utf-8" if charset == "nonsense" else charset)
        import base64

        raw = (
            "From: a@b.example\nIn-Reply-To: <touch-1@a.b>\nMIME-Version: 1.0\n"
            f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n"
        ).encode() + base64.encodebytes(body)
        assert events_of(raw, now=NOW)[0].kind in (K.OPT_OUT, K.OBJECTION), charset


def test_a_message_without_anything_to_go_by_tells_nothing() -> None:
    for raw in (b"", b"\n\nhello", b"Subject: x\n\nSTOP", b"\x00" * 1000, b"From: nobody\n\nSTOP"):
        assert events_of(raw, now=NOW) == []


def test_ten_megabytes_of_reply_are_read_in_a_moment(tmp_path: Path) -> None:
    import time

    path = tmp_path / "big.eml"
    path.write_bytes(reply("STOP\n") + b"x" * 10_000_000)
    started = time.process_time()
    (raw,) = read_messages(path)
    assert events_of(raw, now=NOW)[0].kind is not None
    assert time.process_time() - started < 5


@given(st.binary(max_size=600), st.integers(0, 10_000))
def test_no_bytes_make_it_fall(noise: bytes, seed: int) -> None:
    events_of(noise, now=NOW)
    good = random.Random(seed).choice([dsn(("a@x.example", "failed", "5.1.1")), COMPLAINT, QMAIL, reply("STOP")])
    position = seed % len(good)
    events_of(good[:position] + noise + good[position:], now=NOW)
    events_of(good[:position], now=NOW)


def test_mbox_maildir_and_folders_are_read(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "replies.mbox")
    directory = mailbox.Maildir(tmp_path / "maildir")
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(3):
        raw = reply("STOP", message_id=f"<r{number}@x.example>")
        box.add(raw)
        directory.add(raw)
        (folder / f"{number}.eml").write_bytes(raw)
    box.close()
    (folder / "notes.txt").write_text("not a mail")
    for path in (tmp_path / "replies.mbox", tmp_path / "maildir", folder):
        found = {event.event_id for raw in read_messages(path) for event in events_of(raw, now=NOW)}
        assert found == {f"r{number}@x.example" for number in range(3)}
    with pytest.raises(BadInputError):
        list(read_messages(tmp_path / "absent"))
