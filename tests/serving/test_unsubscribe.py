"""One-click unsubscribe: POST acts, everything else changes nothing, forged links are nobody's."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest

from recovery.ledger import schema as tables
from recovery.tokens import touch_of
from serving.unsubscribe.page import Moment, chosen_language, render_page, texts
from tests.recovery.inbound.ledger_world import ADDRESSES, count, email_of, rows, touch_id
from tests.serving.conftest import KEY, RETIRED, Ground

ONE_CLICK = "List-Unsubscribe=One-Click"


def link(number: int = 1, *, key: object = KEY, list_id: str = "main") -> str:
    return f"/u/{key.token(touch_id(number), list_id=list_id)}"  # type: ignore[attr-defined]


def untouched(ground: Ground) -> bool:
    return not any(
        count(ground.engine, table)
        for table in (tables.suppressions, tables.permission_events, tables.provider_events, tables.audit)
    )


def test_a_mailbox_provider_unsubscribes_in_one_request(ground: Ground) -> None:
    """RFC 8058, 3.2: no cookie, no redirect, urlencoded."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ground.client.post(link(), content=ONE_CLICK, headers=form, follow_redirects=False)
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    (row,) = rows(ground.engine, tables.suppressions)
    assert (row["address_hash"], row["reason"], row["channel"]) == (ADDRESSES.hash(email_of(1)), "opt_out", "email")


def body_kinds() -> list[dict[str, object]]:
    return [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},  # multipart
        {"content": ONE_CLICK, "headers": {"Content-Type": "text/plain"}},
        {"content": b""},
        {"content": b"\xff\xfe garbage", "headers": {"Content-Type": "multipart/form-data"}},  # without a boundary
        {"content": ONE_CLICK, "headers": {"Cookie": "a=b", "Authorization": "Basic eDp5", "Origin": "https://evil"}},
    ]


@pytest.mark.parametrize("body", body_kinds())
def test_every_encoding_of_the_body_is_accepted(ground: Ground, body: dict[str, object]) -> None:
    assert ground.client.post(link(), **body).status_code == 200  # type: ignore[arg-type]
    assert count(ground.engine, tables.suppressions) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("agent", ["Barracuda", "Mozilla/5.0", "curl/8"])
def test_link_scanners_change_nothing(ground: Ground, method: str, agent: str) -> None:
    """W3, M-08."""
    answer = ground.client.request(method, link(), headers={"User-Agent": agent})
    assert answer.status_code == (200 if method in ("GET", "HEAD") else 405)
    assert untouched(ground)


def test_the_page_leads_a_person_there_with_one_button(ground: Ground) -> None:
    page = ground.client.get(link()).text
    forms = re.findall(r"<form[^>]*>", page)
    assert forms == ['<form method="post">']
    assert page.count("<button") == 1
    answer = ground.client.post(link(), data=dict(re.findall(r'name="([^"]+)" value="([^"]+)"', page)))
    assert "You are unsubscribed" in answer.text
    assert count(ground.engine, tables.suppressions) == 1


def test_a_link_works_for_ever_and_more_than_once(ground: Ground) -> None:
    """C-03: issued on day 0, used on day 31 and after ten years."""
    for days in (31, 31, 3650):
        ground.now[0] += timedelta(days=days)
        assert ground.client.post(link()).status_code == 200
    assert count(ground.engine, tables.suppressions) == 1


def test_links_of_a_retired_key_and_of_another_list_work_and_other_lists_do_not(ground: Ground) -> None:
    assert ground.client.post(link(1, key=RETIRED)).status_code == 200
    assert ground.client.post(link(2, list_id="second")).status_code == 200
    assert ground.client.post(link(3, list_id="third")).status_code == 404


def test_the_token_may_come_as_a_parameter(ground: Ground) -> None:
    token = link().removeprefix("/u/")
    for path in (f"/u?t={token}", f"/unsubscribe?l=1&t={token}"):
        assert ground.client.get(path).status_code == 200
    assert untouched(ground)
    assert ground.client.post(f"/unsubscribe?t={token}").status_code == 200
    assert count(ground.engine, tables.suppressions) == 1


def forged(number: int) -> str:
    """A guess: random, cut, mixed, or a good one with one sign changed."""
    good = KEY.token(touch_id(number % 10), list_id="main")
    position = number % len(good)
    kinds = (
        secrets.token_urlsafe(40),
        good[:position],
        good[:position] + ("A" if good[position] != "A" else "B") + good[position + 1 :],
        f"{good}{chr(33 + number % 90)}",
        good.replace(touch_id(number % 10), touch_id(11 + number % 80)),
        f"{KEY.key_id}.{touch_id(number % 10)}.{secrets.token_urlsafe(20)}",
        f"{KEY.key_id}.{touch_id(number % 10)}.",
        good.upper(),
    )
    return kinds[number % len(kinds)]


def test_10_000_forged_tokens_are_nobodys(ground: Ground) -> None:
    """A5."""
    lists = ground.feedback.sender_ids
    assert not [token for n in range(10_000) if touch_of(ground.feedback.ring, token := forged(n), list_ids=lists)]
    for number in range(60):
        path = httpx.URL("https://feedback.test").copy_with(path=f"/u/{forged(number)}")
        assert ground.client.post(path).status_code in (404, 405), number
    assert untouched(ground)


HOSTILE = ["/u/" + "A" * 60_000, "/u/..%2f..%2fetc", "/u/%00", "/u/a/b", "/u/", "/u", "/u/%F0%9F%92%A9", "/u/.",
           "/u?t=", "/u/x?t=" + "y" * 5000, "//evil.example/u/x", "/u/https://evil.example"]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_get_a_plain_refusal_and_no_redirect(ground: Ground, path: str) -> None:
    for method in ("GET", "POST"):
        answer = ground.client.request(method, f"https://feedback.test{path}", follow_redirects=False)
        assert answer.status_code in (404, 405), answer.status_code
        assert "location" not in answer.headers
    assert untouched(ground)


def test_a_guess_takes_as_long_whatever_it_gets_right(ground: Ground) -> None:
    """Every key and list is tried and compared in constant time: nothing is skipped for a wrong start."""
    calls: list[str] = []

    class Spy:
        def touch_of(self, token: str, *, list_id: str) -> str | None:
            calls.append(list_id)
            return "t" if len(calls) == 1 else None

    assert touch_of((Spy(), Spy()), "x", list_ids=("a", "b")) == ("t", "a")  # type: ignore[arg-type]
    assert calls == ["a", "b", "a", "b"]


def test_when_the_ledger_is_away_nobody_is_told_that_it_is_done(ground: Ground, tmp_path) -> None:
    ground.engine.dispose()
    path = tmp_path / "ledger.sqlite"
    path.rename(tmp_path / "away")
    path.mkdir()
    answer = ground.client.post(link())
    assert answer.status_code == 503
    assert "unsubscribed" not in answer.text.replace("unsubscribed?", "")
    assert "STOP" in answer.text
    assert ground.client.get("/readyz").status_code == 503
    assert ground.client.get("/healthz").status_code == 200


class Reader(HTMLParser):
    """Collects what a browser would fetch, run or show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("language", sorted(texts()))
def test_the_page_needs_no_script_and_nothing_from_outside(moment: Moment, language: str) -> None:
    page = render_page(moment, sender="Ärzte & <script>alert(1)</script>", languages=language)
    reader = Reader()
    reader.feed(page)
    assert not {"script", "img", "link", "iframe", "object", "svg"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("src", "href", "action")]
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert f'<html lang="{language}">' in page
    assert reader.tags.count("h1") == reader.tags.count("main") == reader.tags.count("title") == 1
    assert "{sender}" not in page


def test_headers_keep_the_page_to_itself(ground: Ground) -> None:
    answer = ground.client.get(link())
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"].startswith("noindex")


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("de-AT,de;q=0.9,en;q=0.8", "de"), ("xx,fr;q=0.5,es;q=0.9", "es"), ("*", "en"), ("de;q=0,it", "it"),
     ("de;q=abc,nl;q=0.1", "nl"), (",;,=", "en"), ("a" * 100_000, "en")],
)  # fmt: skip
def test_the_page_speaks_the_readers_language(header: str, language: str) -> None:
    assert chosen_language(header) == language


def test_contrast_of_the_page_is_enough_for_everybody() -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1, light and dark."""
    from pathlib import Path

    import serving.unsubscribe.page as page

    css = Path(page.__file__).with_name("page.css").read_text()
    for block in re.findall(r":root \{([^}]*)\}", css):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))
        for front, back in (("ink", "card"), ("quiet", "card"), ("on", "act")):
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(sign * 2 for sign in colour[1:])
        parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((light(one), light(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
