"""The SMTP sink against a server that fails in every way at every step."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import dkim
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import SettingError
from recovery.sinks import ReceiptStatus, SinkUnusableError
from recovery.sinks.dkim_signing import DkimSigner
from recovery.sinks.smtp import SmtpSink
from recovery.sinks.smtp_client import SmtpServer, connect
from tests.recovery.sinks.smtp_server import Mailbag, mail_server
from tests.recovery.sinks.touches import NOW, canary, make_touch

S = ReceiptStatus


def sink_for(bag: Mailbag, **changes: object) -> SmtpSink:
    pool = changes.pop("pool", 1)
    server = SmtpServer("127.0.0.1", bag.port, security="none", timeout_seconds=0.6, helo_name="tests.example")
    return opened(SmtpSink(server, pool=pool, **changes))  # type: ignore[arg-type]


_OPEN: list[SmtpSink] = []


def opened(sink: SmtpSink) -> SmtpSink:
    _OPEN.append(sink)
    return sink


@pytest.fixture(autouse=True)
def _close_sinks() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


EXPECTED = {
    "ok": S.SENT, "mail_4xx": S.PASSING, "rcpt_4xx": S.PASSING, "rcpt_5xx": S.REFUSED, "rcpt_full": S.PASSING,
    "data_4xx": S.PASSING, "data_5xx": S.REFUSED, "content_4xx": S.UNKNOWN, "content_5xx": S.REFUSED,
    "drop_at_mail": S.PASSING, "drop_at_data": S.PASSING, "drop_in_content": S.UNKNOWN,
    "drop_after_content": S.UNKNOWN, "hang_at_mail": S.PASSING, "hang_after_content": S.UNKNOWN,
    "drip_after_content": S.UNKNOWN, "garbage_at_mail": S.PASSING, "garbage_after_content": S.UNKNOWN,
    "closing_421": S.PASSING, "endless_reply": S.PASSING,
}  # fmt: skip


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("fault", "status"), EXPECTED.items())
def test_each_fault_at_each_step_has_its_receipt_and_the_others_go_on(
    fault: str, status: ReceiptStatus, pipelining: bool
) -> None:
    if not pipelining and ("mail" in fault or fault in ("closing_421", "endless_reply")):
        pytest.skip("the server knows the recipient of a fault at MAIL only when the client pipelines")
    touches = [make_touch(number) for number in range(5)]
    with mail_server() as bag:
        bag.pipelining = pipelining
        bag.faults[touches[2].address] = fault
        sink = sink_for(bag)
        receipts = sink.send(touches)
        sink.close()
    assert [receipt.touch_id for receipt in receipts] == [touch.touch_id for touch in touches]
    assert [receipt.status for receipt in receipts] == [S.SENT, S.SENT, status, S.SENT, S.SENT]
    arrived = [recipient for recipient, _ in bag.mails]
    assert len(arrived) == len(set(arrived))
    assert {touches[number].address for number in (0, 1, 3, 4)} <= set(arrived)
    if status in (S.PASSING, S.REFUSED):
        assert touches[2].address not in arrived


def test_a_refused_recipient_is_a_hard_bounce_only_when_the_address_is_gone() -> None:
    with mail_server() as bag:
        bag.faults = {"lead1@x.example": "rcpt_5xx", "lead2@x.example": "content_5xx"}
        receipts = sink_for(bag).send([make_touch(number) for number in range(3)])
    assert [receipt.is_hard_bounce for receipt in receipts] == [False, True, False]
    assert receipts[1].code == "550 5.1.1"
    assert receipts[0].provider_id == "Q000001"


def test_a_server_that_hangs_up_every_few_mails_gets_each_once() -> None:
    touches = [make_touch(number) for number in range(60)]
    with mail_server() as bag:
        bag.drop_every = 7
        sink = sink_for(bag, pool=3)
        statuses = [receipt.status for start in range(0, 60, 20) for receipt in sink.send(touches[start : start + 20])]
        sink.close()
    assert statuses == [S.SENT] * 60
    assert sorted(recipient for recipient, _ in bag.mails) == sorted(touch.address for touch in touches)


def test_connections_are_reused_pooled_and_replaced() -> None:
    with mail_server() as bag:
        sink = sink_for(bag, pool=2, messages_per_connection=10)
        for start in range(0, 60, 12):
            sink.send([make_touch(number) for number in range(start, start + 12)])
        assert 6 <= bag.connections <= 8
        sink.close()
        sink.close()
        assert {receipt.code for receipt in sink.send([make_touch(1)])} == {"closed"}
        assert bag.commands.count(b"quit") >= 2


def test_a_message_is_what_the_law_the_mailbox_and_the_reader_need() -> None:
    with mail_server() as bag:
        sink_for(bag).send([make_touch(7, reply_to="sales@acme.example", headers=(("Feedback-ID", "b1:main"),))])
    (mail,) = bag.messages()
    assert mail["List-Unsubscribe"] == "<https://acme.example/u/token-00007>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Message-ID"] == "<touch-00007@acme.example>"
    assert mail["Reply-To"] == "sales@acme.example"
    assert mail["Feedback-ID"] == "b1:main"
    assert mail["From"].addresses[0].display_name == "Ärzte & Co"
    assert mail.get_content_type() == "multipart/alternative"
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "\n.a line with a dot\n.\nUnsub" in text.replace("\r\n", "\n")


def test_a_retry_gives_the_same_message_id_so_that_a_duplicate_can_be_seen() -> None:
    sink = SmtpSink(SmtpServer("127.0.0.1", 1, security="none"))
    later = make_touch(3, date=NOW + dt.timedelta(hours=2))
    ids = {message_from_bytes(sink.message(touch))["Message-ID"] for touch in (make_touch(3), later)}
    assert ids == {"<touch-00003@acme.example>"}


def test_a_malformed_touch_is_refused_and_the_others_go_on() -> None:
    bad = [
        make_touch(1, address="a@b.example>\r\nRCPT TO:<evil@x.example"),
        make_touch(2, subject="a\r\nBcc: evil@x.example"),
        make_touch(3, touch_id="x>\r\nBcc: y"),
        make_touch(4, html="x" * 103_000),
        make_touch(5, unsubscribe_url="https://x\r\nBcc: y"),
        make_touch(6, headers=(("To", "evil@x.example"),)),
        make_touch(7, headers=(("X-A\r\nBcc", "evil@x.example"),)),
        make_touch(8, reply_to="a@b.example\nBcc: y"),
    ]
    touches = [make_touch(0), *bad, make_touch(9)]
    with mail_server() as bag:
        receipts = sink_for(bag).send(touches)
    assert [receipt.status for receipt in receipts] == [S.SENT, *[S.REFUSED] * len(bad), S.SENT]
    assert {receipt.code for receipt in receipts[1:-1]} == {"malformed"}
    assert not any(b"evil" in command for command in bag.commands)


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
breaks = st.sampled_from(["\r\n", "\n", "\r", "\r\n.\r\n", "\x0b", "\x00", "\u2028", "\x85", ""])
commands = st.sampled_from(["RCPT TO:<evil@x.example>", "Bcc: evil@x.example", "QUIT", "DATA", ".", "MAIL FROM:<e@x>"])
evil = st.builds(lambda before, cut, command, after: before + cut + command + after, anything, breaks, commands, breaks)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(evil, evil, evil, evil, evil)
def test_nothing_that_a_touch_holds_adds_a_header_a_recipient_or_a_command(
    subject: str, name: str, text: str, address: str, header: str
) -> None:
    """A2: aiosmtplib PYSEC-2026-2338, CVE-2024-6923, CVE-2026-1299."""
    from recovery.sinks import Mailbox

    good = make_touch(1)
    touches = [
        make_touch(1, subject=subject),
        make_touch(2, sender=Mailbox(name, good.sender.address)),
        make_touch(3, text=text, html=text),
        make_touch(4, address=address),
        make_touch(5, headers=(("X-Campaign", header),)),
        make_touch(6, address=f"lead6@x.example{address}"),
    ]
    bag = _fuzz_server()
    del bag.commands[:], bag.mails[:]
    receipts = _FUZZ["sink"].send(touches)
    assert {receipt.status for receipt in receipts} <= {S.SENT, S.REFUSED}
    allowed = {touch.address for touch in touches}
    for command in bag.commands:
        assert command.split(b":")[0] in (b"MAIL FROM", b"RCPT TO", b"DATA", b"RSET", b"ehlo tests.example"), command
        assert b"evil" not in command or command[9:-1].decode() in allowed
    names = {"from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post",
             "mime-version", "content-type", "x-campaign"}  # fmt: skip
    assert len(bag.mails) == sum(receipt.status is S.SENT for receipt in receipts)
    for _, data in bag.mails:
        mail = message_from_bytes(data, policy=policy.default)
        keys = [key.lower() for key in mail]
        assert set(keys) <= names
        assert len(keys) == len(set(keys))


_FUZZ: dict[str, object] = {}


@pytest.fixture(scope="module", autouse=True)
def _fuzz_ground() -> object:
    with mail_server() as bag:
        sink = sink_for(bag, messages_per_connection=10**6)
        _OPEN.remove(sink)
        _FUZZ.update(bag=bag, sink=sink)
        yield
        sink.close()


def _fuzz_server() -> Mailbag:
    return _FUZZ["bag"]  # type: ignore[return-value]


# --- TLS, login, names ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for `localhost` and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def tls_server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.mark.parametrize("security", ["starttls", "implicit"])
def test_mail_leaves_encrypted_with_a_login(security: str, certificate: tuple[Path, Path]) -> None:
    def change(bag: Mailbag) -> None:
        bag.tls, bag.password = tls_server_context(certificate), ("user", "secret")

    with mail_server(change, implicit=security == "implicit") as bag:
        server = SmtpServer("localhost", bag.port, security, "user", "secret", 3, str(certificate[0]))  # type: ignore[arg-type]
        assert "secret" not in repr(server)
        sink = SmtpSink(server)
        assert [receipt.status for receipt in sink.send([make_touch(1), make_touch(2)])] == [S.SENT, S.SENT]
        sink.close()
        wrong = SmtpSink(SmtpServer("localhost", bag.port, security, "user", "no", 3, str(certificate[0])))  # type: ignore[arg-type]
        with pytest.raises(SinkUnusableError, match="login") as caught:
            wrong.send([make_touch(3)])
        assert "no" not in str(caught.value).split()
        untrusted = SmtpSink(SmtpServer("localhost", bag.port, security, timeout_seconds=3))  # type: ignore[arg-type]
        with pytest.raises(SinkUnusableError, match="certificate"):
            untrusted.send([make_touch(3)])
        other_name = SmtpServer("127.0.0.1", bag.port, security, timeout_seconds=3, ca_file=str(certificate[0]))  # type: ignore[arg-type]
        with pytest.raises(SinkUnusableError, match="certificate"):
            SmtpSink(other_name).send([make_touch(3)])
    assert len(bag.mails) == 2


def test_starttls_is_never_skipped() -> None:
    with mail_server() as bag:
        sink = SmtpSink(SmtpServer("127.0.0.1", bag.port, "starttls", timeout_seconds=2))
        with pytest.raises(SinkUnusableError, match="TLS"):
            sink.send([make_touch(1)])
    assert not bag.mails


def test_a_password_never_leaves_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="encryption"):
        SmtpSink(SmtpServer("mail.acme.example", 25, "none", "user", "secret"))
    from smtplib import SMTPNotSupportedError

    monkeypatch.setattr("recovery.sinks.smtp_client._is_loopback", lambda _: False)
    with mail_server() as bag:
        with pytest.raises(SMTPNotSupportedError):
            connect(SmtpServer("127.0.0.1", bag.port, "none", "user", "secret", 2))
        assert not any(command.startswith(b"AUTH") for command in bag.commands)


def test_a_sender_that_the_server_refuses_stops_the_sink_and_burns_no_touch() -> None:
    touches = [make_touch(number) for number in range(3)]
    with mail_server() as bag:
        bag.faults = {touch.address: "mail_5xx" for touch in touches}
        with pytest.raises(SinkUnusableError, match="refuses the sender"):
            sink_for(bag).send(touches)
        bag.faults = {touches[1].address: "mail_5xx"}
        statuses = [receipt.status for receipt in sink_for(bag).send(touches)]
    assert statuses == [S.SENT, S.PASSING, S.PASSING]


def test_a_dead_host_costs_one_wait_and_an_unknown_name_stops_the_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    sink = SmtpSink(SmtpServer("127.0.0.1", 1, security="none", timeout_seconds=1))
    receipts = sink.send([make_touch(number) for number in range(40)])
    assert {(receipt.status, receipt.code) for receipt in receipts} == {(S.PASSING, "unreachable")}

    def unknown(*_: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    with pytest.raises(SinkUnusableError, match="name"):
        sink.send([make_touch(1)])


@pytest.mark.parametrize("greeting", [b"554 no service\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100_000])
def test_a_greeting_that_is_none_sends_nothing(greeting: bytes) -> None:
    with mail_server() as bag:
        bag.greeting = greeting
        receipts = sink_for(bag).send([make_touch(1), make_touch(2)])
    assert {receipt.status for receipt in receipts} == {S.PASSING}
    assert not bag.mails


# --- DKIM ----------------------------------------------------------------------------------------------------------


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def dns_record(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    import base64

    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)


RSA_KEY = rsa.generate_private_key(65537, 2048)


def verify(data: bytes, record: bytes) -> bool:
    return bool(dkim.verify(data, dnsfunc=lambda name, timeout=5: record))


def test_another_implementation_verifies_the_signature_over_the_one_click_headers() -> None:
    with mail_server() as bag:
        signer = DkimSigner("acme.example", "s1", pem(RSA_KEY))
        sink_for(bag, signer=signer).send([make_touch(number) for number in range(3)])
    record = dns_record(RSA_KEY)
    for _, data in bag.mails:
        assert verify(data, record)
        signature = message_from_bytes(data)["DKIM-Signature"]
        signed = "".join(signature.split()).partition(";h=")[2].partition(";")[0].split(":")
        assert {"from", "list-unsubscribe", "list-unsubscribe-post", "subject", "message-id"} <= set(signed)
        assert signed.count("from") == 2
    data = bag.mails[0][1]
    assert not verify(data.replace(b"One-Click", b"Two-Click"), record)
    assert not verify(data.replace(b"u/token-00000>", b"u/token-00001>"), record)
    assert not verify(b"From: other@x.example\r\n" + data, record)
    assert not verify(data.replace(canary(0).encode(), canary(1).encode()), record)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(anything, anything)
def test_every_message_that_leaves_verifies(subject: str, text: str) -> None:
    sink = SmtpSink(SmtpServer("127.0.0.1", 1, security="none"), signer=DkimSigner("acme.example", "s1", pem(RSA_KEY)))
    subject = " ".join("".join(c for c in subject if c.isprintable()).split())
    assert verify(sink.message(make_touch(1, subject=subject, text=text)), dns_record(RSA_KEY))


def test_keys_that_receivers_refuse_are_refused_here(tmp_path: Path) -> None:
    small = rsa.generate_private_key(65537, 1024)
    assert DkimSigner("acme.example", "s1", pem(small)).sign(b"From: a@b.example\r\n\r\nx\r\n", at=NOW)
    for key in (b"", b"nonsense", pem(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(SettingError, match="DKIM"):
            DkimSigner("acme.example", "s1", key)


def test_an_ed25519_signature_is_over_the_hash_of_the_header_fields() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    data = DkimSigner("acme.example", "s2", pem(key)).sign(b"From: a@acme.example\r\nTo: x@y\r\n\r\nhi\r\n", at=NOW)
    assert b"a=ed25519-sha256" in data
    pytest.importorskip("nacl", reason="dkimpy verifies Ed25519 only with PyNaCl")
    assert verify(data, dns_record(key))
