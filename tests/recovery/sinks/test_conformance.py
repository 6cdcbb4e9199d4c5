"""The conformance suite on every sink of the house."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from email import message_from_bytes
from pathlib import Path

import pytest

from recovery.sinks import OutgoingTouch, Sink
from recovery.sinks.folder import FileSink
from recovery.sinks.smtp import SmtpSink
from recovery.sinks.smtp_client import SmtpServer
from recovery.sinks.webhook import WebhookSink, WebhookTarget
from tests.recovery.sinks.conformance import Fault, SinkConformance
from tests.recovery.sinks.http_server import Postbag, receiver
from tests.recovery.sinks.smtp_server import Mailbag, mail_server

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_SMTP_FAULTS = {
    Fault.REFUSES: "rcpt_5xx",
    Fault.IS_BUSY: "rcpt_4xx",
    Fault.RATE_LIMITS: "closing_421",
    Fault.TAKES_AND_HANGS_UP: "drop_after_content",
    Fault.TAKES_AND_HANGS: "hang_after_content",
    Fault.TAKES_AND_DRIPS: "drip_after_content",
    Fault.ANSWERS_GARBAGE: "garbage_after_content",
}


class SmtpGround:
    faults: Sequence[Fault] = list(Fault)
    can_be_down = True

    def __init__(self, bag: Mailbag) -> None:
        self.bag, self.port, self.sinks = bag, bag.port, list[Sink]()

    def open(self) -> Sink:
        server = SmtpServer("127.0.0.1", self.port, security="none", timeout_seconds=0.7, helo_name="tests.example")
        self.sinks.append(SmtpSink(server, pool=2))
        return self.sinks[-1]

    def break_for(self, touch: OutgoingTouch, fault: Fault) -> None:
        self.bag.faults[touch.address] = _SMTP_FAULTS[fault]

    def mend(self) -> None:
        self.bag.faults.clear()

    def go_down(self) -> None:
        self.sinks[-1].close()
        server = SmtpServer("127.0.0.1", 1, security="none", timeout_seconds=0.7)
        self.sinks[-1].__init__(server)  # type: ignore[misc]

    def arrived(self) -> list[tuple[str, str]]:
        found = []
        for mail in self.bag.messages():
            parts = [str(mail["Subject"]), *(str(part.get_content()) for part in mail.iter_parts())]
            found.append((str(mail["Message-ID"])[1:].partition("@")[0], "\n".join(parts)))
        return found


class FileGround:
    faults: Sequence[Fault] = ()
    can_be_down = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.sinks = folder / "touches", list[Sink]()

    def open(self) -> Sink:
        self.sinks.append(FileSink(self.folder))
        return self.sinks[-1]

    def break_for(self, touch: OutgoingTouch, fault: Fault) -> None:
        raise NotImplementedError

    def mend(self) -> None:
        raise NotImplementedError

    def go_down(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.write_text("a file where the folder should be")

    def arrived(self) -> list[tuple[str, str]]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        assert not [path for path in paths if path.suffix == ".tmp"]
        found = []
        for path in paths:
            mail = message_from_bytes(path.read_bytes())
            found.append((path.stem, path.read_text() if mail.get_content_type() == "text/plain" else _whole(mail)))
        return found


def _whole(mail: object) -> str:
    parts = mail.get_payload()  # type: ignore[attr-defined]
    return "\n".join([mail["Subject"], *(part.get_payload(decode=True).decode() for part in parts)])  # type: ignore[index]


class WebhookGround:
    faults: Sequence[Fault] = list(Fault)
    can_be_down = True

    def __init__(self, bag: Postbag) -> None:
        self.bag, self.sinks = bag, list[Sink]()

    def open(self, port: int | None = None) -> Sink:
        target = WebhookTarget(
            f"http://receiver.test:{port or self.bag.port}/in",
            trusted_hosts=frozenset({"receiver.test"}),
            is_idempotent=True,
            timeout_seconds=0.7,
        )
        self.sinks.append(WebhookSink(target, SECRET, resolve=lambda host, port: ["127.0.0.1"]))
        return self.sinks[-1]

    def break_for(self, touch: OutgoingTouch, fault: Fault) -> None:
        self.bag.faults[touch.touch_id] = fault.value

    def mend(self) -> None:
        self.bag.faults.clear()

    def go_down(self) -> None:
        self.sinks[-1].close()
        target = WebhookTarget("http://receiver.test:1/", trusted_hosts=frozenset({"receiver.test"}))
        self.sinks[-1].__init__(target, SECRET, resolve=lambda host, port: ["127.0.0.1"])  # type: ignore[misc]

    def arrived(self) -> list[tuple[str, str]]:
        bodies = [json.loads(body)["data"] for body in self.bag.bodies]
        return [(body["touch_id"], f"{body['subject']}\n{body['text']}\n{body['html']}") for body in bodies]


class TestSmtp(SinkConformance):
    @pytest.fixture
    def ground(self) -> Iterator[SmtpGround]:
        with mail_server() as bag:
            made = SmtpGround(bag)
            yield made
            for sink in made.sinks:
                sink.close()


class TestFile(SinkConformance):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> FileGround:
        return FileGround(tmp_path)


class TestWebhook(SinkConformance):
    @pytest.fixture
    def ground(self) -> Iterator[WebhookGround]:
        with receiver(SECRET) as bag:
            made = WebhookGround(bag)
            yield made
            for sink in made.sinks:
                sink.close()
