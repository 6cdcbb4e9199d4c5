"""What a message must hold and must not hold before it may leave. Any problem blocks it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from contracts.words import Channel
from recovery.drafting.facts import SenderFacts

if TYPE_CHECKING:
    from recovery.drafting.render import Draft

# Gmail clips a message at 102 KB.
LARGEST_BYTES: Final = 102 * 1024
_LONGEST_SUBJECT: Final = 200
_LONGEST_TEXT_MESSAGE: Final = 480
_FAKE_REPLY: Final = re.compile(r"(?i)^\s*(?:re|fwd?|aw|wg)\s*:")
_URL: Final = re.compile(r"(?i)\b(?:https?|ftp|javascript|data):[^\s<>\"']+")
_TEMPLATE_REST: Final = re.compile(r"\{\{|\{%|\{#|%\}|\}\}")
_OBJECT: Final = re.compile(r"</?[A-Za-z_!][^<>]*>")
_PRESSURE: Final = re.compile(
    r"(?i)\b(?:act now|last chance|urgent|don't miss|limited time|you must|final notice|100 ?% free|guaranteed)\b"
)


def lint(draft: Draft, sender: SenderFacts, *, link: str) -> tuple[str, ...]:
    """Problems of a draft, none when it may leave.

    Checks: one-line subject without a fake reply mark (CAN-SPAM, 15 U.S.C. 7704(a)(2)); for e-mail the postal
    address, the advertisement notice (7704(a)(5)) and the unsubscribe link in text and HTML; no other link; size;
    no unrendered template; a gentle tone.
    """
    problems = []
    if any(ord(c) < 32 or ord(c) in (127, 0x85, 0x2028, 0x2029) for c in draft.subject + draft.to_address):
        problems.append("a header holds a control character")
    if _FAKE_REPLY.match(draft.subject):
        problems.append("the subject pretends to be a reply")
    if len(draft.subject) > _LONGEST_SUBJECT:
        problems.append("the subject is too long")
    both = f"{draft.subject}\n{draft.text}\n{draft.html}"
    if _TEMPLATE_REST.search(both):
        problems.append("a template was not filled")
    if _PRESSURE.search(both):
        problems.append("the tone presses")
    if not draft.text.strip():
        problems.append("the message is empty")
    if _OBJECT.search(draft.subject + "\n" + draft.text):
        problems.append("mark-up or an object of the program in plain text")
    if draft.channel is Channel.EMAIL:
        problems += _lint_email(draft, sender, link)
    elif _URL.search(both):
        problems.append("a link that is not ours")
    if draft.channel is Channel.SMS:
        if len(draft.text) > _LONGEST_TEXT_MESSAGE:
            problems.append("the text is too long")
        if "STOP" not in draft.text or sender.name not in draft.text:
            problems.append("sender or opt-out word missing")
    return tuple(problems)


def _lint_email(draft: Draft, sender: SenderFacts, link: str) -> list[str]:
    problems = []
    page = html.unescape(draft.html)
    for name, body in (("text", draft.text), ("HTML", page)):
        if sender.postal_address not in body:
            problems.append(f"postal address missing in the {name}")
        if link not in body:
            problems.append(f"unsubscribe link missing in the {name}")
        if f"advertisement from {sender.name}" not in body:
            problems.append(f"advertisement notice missing in the {name}")
        # The sender's own words may name the sender's own page.
        foreign = {url.rstrip(".,;)") for url in _URL.findall(body.replace(link, " "))}
        if foreign - {url for text in (sender.name, sender.postal_address) for url in _URL.findall(text)}:
            problems.append(f"a link that is not ours in the {name}")
    if not draft.subject.strip():
        problems.append("the subject is empty")
    if len(draft.text.encode()) + len(draft.html.encode()) >= LARGEST_BYTES:
        problems.append("the message is larger than 102 KB")
    return problems
