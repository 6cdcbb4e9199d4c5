"""The event webhook: signed, bounded, once, durable before the 2xx, and clear about what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from recovery.ledger import schema as tables
from tests.recovery.inbound.ledger_world import NOW, count, rows, touch_id
from tests.serving.conftest import NEXT_SECRET, SECRET, Ground

PATH = "/webhooks/events"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def event(name: str = "e1", kind: str = "click", number: int = 1, **more: object) -> dict[str, object]:
    return {"id": name, "type": kind, "occurred_at": "2026-06-01T10:00:00Z", "touch_id": touch_id(number)} | more


def signed(body: bytes, *, secret: str = SECRET, message_id: str = "msg_1", at: datetime = NOW) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.replace(tzinfo=UTC).timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode("utf-8", "replace")),
        "content-type": "application/json",
    }


def post(ground: Ground, content: object, *, path: str = PATH, **options: object) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return ground.client.post(path, content=body, headers=signed(body, **options))  # type: ignore[arg-type]


def test_events_are_in_the_ledger_when_the_answer_comes(ground: Ground) -> None:
    many = [event("a", "delivered"), event("b", "bounce", 2, bounce="hard"), event("c", "bounce", 3, bounce="soft"),
            event("d", "complaint", 4), event("e", "unsubscribe", 5), event("f", "open", 6),
            event("g", "reply", 7, text="Kein Interesse"), event("h", "reply", 8, text="Yes, call me"),
            event("i", "bounce", 9)]  # fmt: skip
    answer = post(ground, {"events": many})
    assert (answer.status_code, answer.json()) == (200, {"recorded": 9, "duplicates": 0})
    kinds = {row["event_id"]: row["kind"] for row in rows(ground.engine, tables.provider_events)}
    assert kinds == {"a": "delivered", "b": "hard_bounce", "c": "soft_bounce", "d": "complaint", "e": "opt_out",
                     "f": "open", "g": "objection", "h": "reply", "i": "soft_bounce"}  # fmt: skip
    closed = {row["person_id"]: row["reason"] for row in rows(ground.engine, tables.suppressions)}
    assert closed == {
        "person-2": "hard_bounce",
        "person-4": "complaint",
        "person-5": "opt_out",
        "person-7": "objection",
    }


def test_the_shape_of_standard_webhooks_is_understood_too(ground: Ground) -> None:
    answer = post(ground, {"type": "email.clicked", "timestamp": "2026-06-01T10:00:00Z", "data": event()})
    assert answer.status_code == 200
    answer = post(
        ground, {"data": event("e2", touch_id=None, message_id=f"<{touch_id(2)}@acme.example>")}, message_id="m2"
    )
    assert answer.status_code == 200
    assert rows(ground.engine, tables.provider_events)[1]["touch_id"] == touch_id(2)


def test_a_request_sent_again_changes_nothing(ground: Ground) -> None:
    first = post(ground, {"events": [event(kind="unsubscribe")]})
    retry = post(ground, {"events": [event(kind="unsubscribe")]}, at=NOW + timedelta(minutes=4))
    other_id = post(ground, {"events": [event(kind="unsubscribe")]}, message_id="msg_2")
    assert [first.json()["recorded"], retry.json()["recorded"], other_id.json()["recorded"]] == [1, 0, 0]
    assert {first.status_code, retry.status_code, other_id.status_code} == {200}
    assert count(ground.engine, tables.provider_events) == count(ground.engine, tables.suppressions) == 1


@pytest.mark.parametrize("minutes", [-60, -6, 6, 60, 60 * 24 * 365])
def test_an_old_recording_is_refused(ground: Ground, minutes: int) -> None:
    assert post(ground, {"events": [event()]}, at=NOW + timedelta(minutes=minutes)).status_code == 401
    assert count(ground.engine, tables.provider_events) == 0


def test_secrets_can_be_rotated_and_belong_to_one_provider(ground: Ground) -> None:
    assert post(ground, {"events": [event()]}, secret=NEXT_SECRET).status_code == 200
    assert post(ground, {"events": [event("e2")]}, path=f"{PATH}/esp", secret=NEXT_SECRET).status_code == 401
    assert post(ground, {"events": [event("e2")]}, path=f"{PATH}/nobody").status_code == 404
    assert post(ground, {"events": [event("e2")]}, path=f"{PATH}/esp").status_code == 200
    assert {row["provider"] for row in rows(ground.engine, tables.provider_events)} == {"generic", "esp"}


def test_any_of_several_signatures_may_be_the_good_one(ground: Ground) -> None:
    body = json.dumps({"events": [event()]}).encode()
    headers = signed(body)
    headers["webhook-signature"] = f"v1a,abc v1,!!! v1, nonsense {headers['webhook-signature']}"
    assert ground.client.post(PATH, content=body, headers=headers).status_code == 200


def broken_signatures() -> list[dict[str, str | None]]:
    return [
        {"webhook-signature": None}, {"webhook-id": None}, {"webhook-timestamp": None}, {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"}, {"webhook-signature": "v1"}, {"webhook-signature": "v2,x"},
        {"webhook-signature": "v1,=" * 2000}, {"webhook-timestamp": "now"}, {"webhook-timestamp": "-1"},
        {"webhook-timestamp": "1e9"}, {"webhook-timestamp": "9" * 12}, {"webhook-id": "other"},
        {"webhook-id": "x" * 5000},
    ]  # fmt: skip


@pytest.mark.parametrize("change", broken_signatures())
def test_whoever_is_not_the_provider_gets_401_and_no_word_more(ground: Ground, change: dict[str, str | None]) -> None:
    body = json.dumps({"events": [event()]}).encode()
    headers = {name: value for name, value in (signed(body) | change).items() if value is not None}
    answer = ground.client.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "not_verified"})
    assert count(ground.engine, tables.provider_events) == count(ground.engine, tables.webhook_nonces) == 0


def test_a_changed_body_is_not_the_signed_one(ground: Ground) -> None:
    body = json.dumps({"events": [event()]}).encode()
    assert ground.client.post(PATH, content=body + b" ", headers=signed(body)).status_code == 401


DEEP = b'{"events": ' + b"[" * 50 + b"]" * 50 + b"}"
GARBAGE: list[tuple[bytes, int, str]] = [
    (b"", 400, "not_json"), (b"{", 400, "not_json"), (b'{"events": [{"id": "e1", "type": "cli', 400, "not_json"),
    (b"null", 400, "not_an_object"), (b"[]", 400, "not_an_object"), (b'"x"', 400, "not_an_object"),
    (b'{"events": NaN}', 400, "not_json"), (DEEP, 400, "too_deep"),
    (b'{"events": ' + b"[" * 100_000, 400, "not_json"), (b"{}", 422, "not_an_event"),
    (b'{"events": []}', 422, "not_an_event"),
    (b'{"events": {}}', 422, "not_an_event"), (b'{"data": {"id": 5}}', 422, "not_an_event"),
    (json.dumps({"events": [event(kind="party")]}).encode(), 422, "not_an_event"),
    (json.dumps({"events": [event(occurred_at="yesterday")]}).encode(), 422, "not_an_event"),
    (json.dumps({"events": [event(occurred_at="2026-06-01T10:00:00")]}).encode(), 422, "not_an_event"),
    (json.dumps({"events": [event("x" * 300)]}).encode(), 422, "not_an_event"),
    (json.dumps({"events": [event("a b\n")]}).encode(), 422, "not_an_event"),
    (json.dumps({"events": [event(code="<script>")]}).encode(), 422, "not_an_event"),
    (json.dumps({"events": [event(str(n)) for n in range(1001)]}).encode(), 422, "not_an_event"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "code"), GARBAGE)
def test_garbage_gets_a_clear_refusal_and_is_counted(ground: Ground, body: bytes, status: int, code: str) -> None:
    answer = post(ground, body)
    assert (answer.status_code, answer.json()) == (status, {"error": code})
    assert (
        f'recovery_feedback_requests_total{{outcome="{code}",route="events"}} 1.0' in ground.client.get("/metrics").text
    )
    assert count(ground.engine, tables.provider_events) == 0


def test_bytes_that_are_no_text_are_no_signed_request(ground: Ground) -> None:
    assert post(ground, b"\xff\xfe\x00").status_code == 401


def test_ten_megabytes_are_refused_early_declared_or_not(ground: Ground) -> None:
    body = b'{"events": "' + b"x" * 10_000_000 + b'"}'
    assert post(ground, body).status_code == 413
    read = 0

    def trickle():
        nonlocal read
        for _ in range(1000):
            read += 10_000
            yield b"x" * 10_000

    answer = ground.client.post(PATH, content=trickle(), headers=signed(b""))
    assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
    assert ground.client.post(PATH, content=b"x", headers={"content-length": "abc"}).status_code == 413
    assert count(ground.engine, tables.provider_events) == 0


def test_unknown_ids_are_told_by_position_and_the_others_are_kept(ground: Ground) -> None:
    content = {
        "events": [event("a", "unsubscribe"), event("b", number=999), event("c", occurred_at="2030-01-01T00:00:00Z")]
    }
    answer = post(ground, content)
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "unknown_ids",
        "refused": [{"position": 1, "error": "unknown_id"}, {"position": 2, "error": "in_future"}],
        "recorded": 1,
        "duplicates": 0,
    }
    assert count(ground.engine, tables.suppressions) == 1
    again = post(ground, content)
    assert (again.status_code, again.json()["duplicates"]) == (422, 1)


def test_when_the_ledger_is_away_the_provider_is_asked_to_come_again(ground: Ground, tmp_path) -> None:
    ground.engine.dispose()
    path = tmp_path / "ledger.sqlite"
    path.rename(tmp_path / "away")
    path.mkdir()
    answer = post(ground, {"events": [event()]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_scanners_and_image_proxies_are_marked(ground: Ground) -> None:
    post(
        ground,
        {
            "events": [
                event("a", "click", user_agent="Barracuda"),
                event("b", "open", user_agent="GoogleImageProxy"),
                event("c", "click", user_agent=BROWSER),
            ]
        },
    )
    marks = {row["event_id"]: bool(row["is_machine"]) for row in rows(ground.engine, tables.provider_events)}
    assert marks == {"a": True, "b": True, "c": False}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_is_answered(ground: Ground, method: str) -> None:
    assert ground.client.request(method, PATH).status_code == 405


def test_figures_carry_no_person(ground: Ground) -> None:
    post(ground, {"events": [event("secret-id", "reply", text="canary", address="canary@x.example")]})
    text = ground.client.get("/metrics").text
    assert "recovery_feedback_events_total" in text
    for secret in ("canary", "secret-id", "touch-", "person-"):
        assert secret not in text
