"""A draft as an Internet message (RFC 5322) with one-click unsubscribe (RFC 8058)."""

from __future__ import annotations

import re
from binascii import b2a_qp
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from recovery.drafting.facts import SenderFacts, is_mailbox
from recovery.drafting.lint import LARGEST_BYTES
from recovery.drafting.render import Draft, DraftError

_LONGEST_LINE: Final = 78
# RFC 5322, 2.1.1: no line may be longer, folded or not.
_HARD_LIMIT: Final = 998
_TOUCH_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,76}")
# What the message has already, or what only a relay or signer adds.
_OWN_FIELDS: Final = frozenset(
    (
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "list-unsubscribe",
        "list-unsubscribe-post", "mime-version", "content-type", "content-transfer-encoding", "sender", "return-path",
        "received", "dkim-signature",
    )
)  # fmt: skip
_PART: Final = (
    'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n{version}\r\n{body}'
)


def build_eml(draft: Draft, sender: SenderFacts, *, touch_id: str, not_before: datetime, link: str) -> bytes:
    """The message of a draft; the same draft, touch and link always give the same bytes.

    Args:
        draft: an e-mail draft.
        sender: who writes.
        touch_id: see `compose`.
        not_before: naive UTC; becomes the Date header.
        link: see `compose`.

    Raises:
        DraftError: a header would be malformed, or the message is 102 KB or larger.
    """
    return compose(
        sender=(sender.name, sender.from_address),
        to_address=draft.to_address,
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        touch_id=touch_id,
        date=not_before,
        link=link,
    )


def compose(
    *,
    sender: tuple[str, str],
    to_address: str,
    subject: str,
    text: str,
    html: str,
    touch_id: str,
    date: datetime,
    link: str,
    reply_to: str = "",
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """An Internet message with CRLF line ends, ASCII only, the same bytes for the same arguments.

    The skeleton is written as text; only a header that needs encoding or folding goes through `email`.

    Args:
        sender: name and mailbox.
        to_address: one plain mailbox.
        subject: one line.
        text, html: the same words twice; without HTML the message has one part.
        touch_id: becomes Message-ID and boundary, so that a duplicate can be seen (letters, digits, `-_.`).
        date: naive UTC.
        link: one-click address of the touch (RFC 8058, 3.1); its header stays on one line, because some receivers do
            not unfold it. Without one the message has no List-Unsubscribe headers.
        reply_to: mailbox that answers go to.
        headers: further fields, none of those above.

    Raises:
        DraftError: a header would be malformed, or the message is 102 KB or larger.
    """
    where = f"touch {touch_id}"
    if not is_mailbox(to_address) or (reply_to and not is_mailbox(reply_to)):
        raise DraftError("The address is not a plain mailbox.", where=where)
    if not _TOUCH_ID.fullmatch(touch_id):
        raise DraftError("The identifier of the touch cannot stand in a header.", where=where)
    try:
        head = (
            _from(*sender)
            + _header("To", to_address)
            + (_header("Reply-To", reply_to) if reply_to else "")
            + _header("Subject", subject)
            + _line("Date", format_datetime(date.replace(tzinfo=UTC)))
            + _line("Message-ID", message_id(touch_id, sender[1]))
            + (_line("List-Unsubscribe", f"<{link}>") if link else "")
            + ("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if link else "")
            + "".join(_further(name, value) for name, value in headers)
            + "MIME-Version: 1.0\r\n"
        )
    except (ValueError, IndexError) as error:
        raise DraftError(f"The message has a malformed header: {error}.", where=where) from error
    data = (head + _parts(text, html, touch_id)).encode("ascii")
    if len(data) >= LARGEST_BYTES:
        raise DraftError("The message is larger than 102 KB.", where=where)
    return data


def message_id(touch_id: str, from_address: str) -> str:
    """`<touch@domain>`: the same for every attempt of a touch."""
    return f"<{touch_id}@{from_address.rpartition('@')[2]}>"


def _parts(text: str, html: str, touch_id: str) -> str:
    if not html:
        return _PART.format(kind="plain", version="", body=_body(text))
    boundary = f"--=_{touch_id}"
    plain = _PART.format(kind="plain", version="", body=_body(text))
    page = _PART.format(kind="html", version="MIME-Version: 1.0\r\n", body=_body(html))
    return (
        f'Content-Type: multipart/alternative; boundary="=_{touch_id}"\r\n\r\n'
        f"{boundary}\r\n{plain}\r\n{boundary}\r\n{page}\r\n{boundary}--\r\n"
    )


def _further(name: str, value: str) -> str:
    if not _FIELD_NAME.fullmatch(name) or name.lower() in _OWN_FIELDS:
        raise ValueError(f"the field {name!r} is not a further header")
    return _header(name, value)


@lru_cache(maxsize=16)
def _from(name: str, address: str) -> str:
    local, _, domain = address.rpartition("@")
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = Address(display_name=name, username=local, domain=domain)
    return str(policy.SMTP.fold("From", message["From"]))


def _header(name: str, value: str) -> str:
    """One header: as it stands where it is short plain text, else encoded and folded."""
    if value.isascii() and value.isprintable() and "=?" not in value and len(name) + 2 + len(value) <= _LONGEST_LINE:
        return f"{name}: {value}\r\n"
    message = EmailMessage(policy=policy.SMTP)
    message[name] = value
    return str(policy.SMTP.fold(name, message[name]))


def _line(name: str, value: str) -> str:
    """A header that is never folded.

    Raises:
        ValueError: it is not printable ASCII, or longer than a line may be.
    """
    if not (value.isascii() and value.isprintable()) or len(name) + 2 + len(value) > _HARD_LIMIT:
        raise ValueError(f"{name} is not printable ASCII or too long")
    return f"{name}: {value}\r\n"


def _body(text: str) -> str:
    """Quoted-printable with CRLF (RFC 2045, 6.7); every kind of line end in the text becomes one."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if not lines.endswith("\n"):
        lines += "\n"
    encoded = b2a_qp(lines.replace("\n", "\r\n").encode("utf-8", "surrogateescape"), istext=True)
    return encoded.decode("ascii")
