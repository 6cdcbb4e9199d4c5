"""The webhook: signed, and never to a private address, whatever its name or its answers say."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SettingError
from recovery.sinks import ReceiptStatus, SinkUnusableError
from recovery.sinks.safe_address import is_public
from recovery.sinks.webhook import WebhookSink, WebhookTarget
from tests.recovery.sinks.http_server import Postbag, is_signed, receiver
from tests.recovery.sinks.test_conformance import SECRET
from tests.recovery.sinks.touches import make_touch

S = ReceiptStatus
LOCAL = frozenset({"receiver.test"})


def local_sink(bag: Postbag, *, timeout: float = 2.0) -> WebhookSink:
    target = WebhookTarget(f"http://receiver.test:{bag.port}/in?a=1", LOCAL, timeout_seconds=timeout)
    return WebhookSink(target, SECRET, resolve=lambda host, port: ["127.0.0.1"])


@pytest.fixture
def bag() -> Iterator[Postbag]:
    with receiver(SECRET) as made:
        yield made


def test_the_receiver_can_verify_every_request(bag: Postbag) -> None:
    import datetime as dt

    sink = local_sink(bag)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    receipts = sink.send([make_touch(number, date=now, text="Grüße \ud83d\ude00 €") for number in range(5)])
    sink.close()
    assert [receipt.provider_id for receipt in receipts] == [f"r-{number:05d}" for number in range(5)]
    assert all(is_signed(bag, number) for number in range(5))
    assert sorted(headers["webhook-id"] for headers in bag.headers) == [f"key-{number:05d}" for number in range(5)]
    assert all(headers["host"] == f"receiver.test:{bag.port}" for headers in bag.headers)
    assert bag.connections <= 5


STATUSES = [
    (200, S.SENT), (202, S.SENT), (204, S.SENT), (400, S.REFUSED), (413, S.REFUSED), (422, S.REFUSED),
    (408, S.UNKNOWN), (500, S.UNKNOWN), (502, S.UNKNOWN), (504, S.UNKNOWN), (429, S.PASSING), (503, S.PASSING),
]  # fmt: skip


@pytest.mark.parametrize(("code", "status"), STATUSES)
def test_each_status_has_its_meaning(bag: Postbag, code: int, status: ReceiptStatus) -> None:
    bag.answers["touch-00001"] = (code, {"Retry-After": "30"}, b"")
    sink = local_sink(bag)
    first, second = sink.send([make_touch(1), make_touch(2)])
    sink.close()
    assert (first.status, second.status) == (status, S.SENT)
    assert first.retry_after_seconds == (30 if status is S.PASSING else None)


@pytest.mark.parametrize("code", [401, 403, 404, 410, 301, 302, 303, 307, 308])
def test_a_wrong_address_or_secret_stops_the_sink_and_burns_nothing(bag: Postbag, code: int) -> None:
    for number in range(3):
        bag.answers[f"touch-{number:05d}"] = (code, {"Location": f"http://127.0.0.1:{bag.port}/admin"}, b"")
    sink = local_sink(bag)
    with pytest.raises(SinkUnusableError, match=str(code)):
        sink.send([make_touch(number) for number in range(3)])
    sink.close()
    assert bag.bodies == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [(b"x" * 1_000_000, ""), (b'{"id": 5}', ""), (b"[1]", ""), (b'{"id": "a\\r\\nb"}', ""), (b"[" * 50_000, ""),
     (b'{"id": "evt_1"}', "evt_1"), (b"\xff\xfe", "")],
)  # fmt: skip
def test_garbage_in_a_good_answer_does_no_harm(bag: Postbag, words: bytes, expected: str) -> None:
    bag.answers["touch-00001"] = (200, {}, words)
    sink = local_sink(bag)
    (receipt,) = sink.send([make_touch(1)])
    sink.close()
    assert (receipt.status, receipt.provider_id) == (S.SENT, expected)


@pytest.mark.parametrize(
    "url",
    ["http://acme.example/", "ftp://acme.example/", "https://user:pass@acme.example/", "https://", "", "acme.example",
     "https://acme.example\r\nX: y/", "javascript:alert(1)", "file:///etc/passwd", "https://receiver.test@evil.example/",
     "http://receiver.test.evil.example/"],
)  # fmt: skip
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(SettingError, match="address"):
        WebhookSink(WebhookTarget(url, LOCAL), SECRET)


def test_a_secret_that_is_none_is_told() -> None:
    for secret in ("", "whsec_"):
        with pytest.raises(SettingError, match="secret"):
            WebhookSink(WebhookTarget("https://acme.example/"), secret)


# --- A4: 500 private addresses -------------------------------------------------------------------------------------

V4 = ["127.0.0.1", "127.1.2.3", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.1", "192.168.0.1",
      "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "192.0.0.1",
      "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
      "255.255.255.255", "192.88.99.1"]  # fmt: skip
V6 = ["::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "ff02::1", "2001:db8::1",
      "100::1", "2001::1", "fec0::1", "5f00::1", "3fff::1"]  # fmt: skip


def carried(text: str) -> list[str]:
    """An IPv4 address inside IPv6 ones: mapped, compatible, translated, NAT64, 6to4."""
    number = int(ip_address(text))
    high, low = number >> 16, number & 0xFFFF
    return [f"::ffff:{text}", f"::ffff:{high:x}:{low:x}", f"::{text}", f"::ffff:0:{text}", f"64:ff9b::{text}",
            f"64:ff9b:1::{text}", f"2002:{high:x}:{low:x}::1"]  # fmt: skip


def spelled(text: str) -> list[str]:
    """The same IPv4 address as browsers and libcs also read it."""
    number = int(ip_address(text))
    a, b, c, d = text.split(".")
    return [text, str(number), hex(number), f"0{number:o}", f"0x{int(a):x}.0x{int(b):x}.0x{int(c):x}.0x{int(d):x}",
            f"0{int(a):o}.0{int(b):o}.0{int(c):o}.0{int(d):o}", f"{a}.{b}.{int(c) * 256 + int(d)}",
            f"{a}.{(int(b) << 16) + int(c) * 256 + int(d)}", f"{text}."]  # fmt: skip


WIDE = str.maketrans("0123456789.", "０１２３４５６７８９．")
HOSTS = [host for text in V4 for host in (*spelled(text), text.translate(WIDE))]
HOSTS += [f"[{text}]" for text in (*V6, *(inner for text in V4 for inner in carried(text)))]
HOSTS += ["localhost", "LOCALHOST", "localhost.", "127.0.0.1.nip.example"]
NAMES = [f"name-{number}.example" for number in range(100)]


def test_500_private_addresses_get_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2026-34590: whatever the spelling, and whatever a name resolves to."""
    connected: list[object] = []
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: connected.append(a) or _no_connection())
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: connected.append(address) or _no_connection())
    answers = cycle([*V4, *V6, *(inner for text in V4 for inner in carried(text))])

    def names(host: str, port: int) -> list[str]:
        if host in NAMES or host.startswith("127.0.0.1.nip"):
            return ["93.184.215.14", next(answers)]  # one good address does not excuse a bad one
        if host.lower().rstrip(".") == "localhost":
            return ["127.0.0.1", "::1"]
        # As the system reads numbers; names are not asked for, the network is off.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [str(entry[4][0]) for entry in found]

    assert len(set(HOSTS)) + len(NAMES) >= 500
    outcomes = {"refused": 0, "unknown": 0}
    for host in (*HOSTS, *NAMES):
        try:
            sink = WebhookSink(WebhookTarget(f"https://{host}/latest/meta-data"), SECRET, resolve=names, parallel=1)
        except SettingError:
            outcomes["refused"] += 1
            continue
        try:
            (receipt,) = sink.send([make_touch(1)])
            assert (receipt.status, receipt.code) == (S.PASSING, "unreachable"), host
            outcomes["unknown"] += 1
        except SinkUnusableError:
            outcomes["refused"] += 1
        finally:
            sink.close()
    assert connected == []
    assert outcomes["refused"] > 450, outcomes


def _no_connection() -> socket.socket:
    raise ConnectionRefusedError("a connection was tried")


def test_a_name_that_changes_after_it_was_judged_gains_nothing(bag: Postbag) -> None:
    """CVE-2026-104973: the connection goes to the address that was judged, and each new one is judged again."""
    asked: list[str] = []
    tried: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) % 2 else ["127.0.0.1"]

    real = socket.create_connection

    def spy(address: tuple[str, int], *arguments: object, **named: object) -> socket.socket:
        tried.append(address[0])
        if address[0] != "127.0.0.1":
            raise ConnectionRefusedError("not in a test")
        return real(address, *arguments, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", spy)
        sink = WebhookSink(WebhookTarget(f"https://evil.example:{bag.port}/"), SECRET, resolve=rebinding, parallel=1)
        for number in range(10):
            try:
                assert sink.send([make_touch(number)])[0].status is S.PASSING
            except SinkUnusableError:
                continue
        sink.close()
    assert set(tried) == {"93.184.215.14"}
    assert len(asked) == 10
    assert bag.connections == 0


def test_a_redirect_to_a_private_address_is_not_followed(bag: Postbag) -> None:
    inside = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.3)
    bag.answers["touch-00001"] = (307, {"Location": f"http://127.0.0.1:{listener.getsockname()[1]}/"}, b"")
    sink = local_sink(bag)
    with pytest.raises(SinkUnusableError):
        sink.send([make_touch(1)])
    sink.close()
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()
    assert not inside.is_set()


def test_a_proxy_of_the_environment_is_not_used(bag: Postbag, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    sink = local_sink(bag)
    assert [receipt.status for receipt in sink.send([make_touch(1)])] == [S.SENT]
    sink.close()


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_public_in_no_disguise_when_it_is_private_bare(address: object) -> None:
    text = str(address)
    if not is_public(text):
        assert not any(is_public(inner) for inner in carried(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_public_addresses_are_public(text: str) -> None:
    assert is_public(text)
