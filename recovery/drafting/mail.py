"""A draft as an Internet message (RFC 5322) with one-click unsubscribe (RFC 8058)."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.quoprimime import body_encode
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from recovery.drafting.facts import SenderFacts, is_mailbox
from recovery.drafting.lint import LARGEST_BYTES
from recovery.drafting.render import Draft, DraftError

_LONGEST_LINE: Final = 78
# RFC 5322, 2.1.1: no line may be longer, folded or not.
_HARD_LIMIT: Final = 998
_PART: Final = (
    'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n{version}\r\n{body}'
)


def build_eml(draft: Draft, sender: SenderFacts, *, touch_id: str, not_before: datetime, link: str) -> bytes:
    """The message's bytes; the same draft, touch and link always give the same bytes.

    The skeleton is written as text; only a header that needs encoding or folding goes through `email`.

    Args:
        draft: an e-mail draft.
        sender: who writes.
        touch_id: becomes Message-ID and boundary.
        not_before: naive UTC; becomes the Date header.
        link: the touch's unsubscribe link; its header stays on one line, because some receivers do not unfold it.

    Raises:
        DraftError: a header would be malformed, or the message is 102 KB or larger.
    """
    domain = sender.from_address.rpartition("@")[2]
    if not is_mailbox(draft.to_address):
        raise DraftError("The address is not a plain mailbox.", where=f"touch {touch_id}")
    try:
        headers = (
            _from(sender.name, sender.from_address)
            + _header("To", draft.to_address)
            + _header("Subject", draft.subject)
            + _line("Date", format_datetime(not_before.replace(tzinfo=UTC)))
            + _line("Message-ID", f"<{touch_id}@{domain}>")
            + _line("List-Unsubscribe", f"<{link}>")
            + _line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
            + _line("MIME-Version", "1.0")
            + f'Content-Type: multipart/alternative; boundary="=_{touch_id}"\r\n'
        )
    except (ValueError, IndexError) as error:
        raise DraftError(f"The message has a malformed header: {error}.", where=f"touch {touch_id}") from error
    boundary = f"--=_{touch_id}"
    text = _PART.format(kind="plain", version="", body=_body(draft.text))
    html = _PART.format(kind="html", version="MIME-Version: 1.0\r\n", body=_body(draft.html))
    data = f"{headers}\r\n{boundary}\r\n{text}\r\n{boundary}\r\n{html}\r\n{boundary}--\r\n".encode("ascii")
    if len(data) >= LARGEST_BYTES:
        raise DraftError("The message is larger than 102 KB.", where=f"touch {touch_id}")
    return data


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
    """Quoted-printable with CRLF; every kind of line end in the text becomes one."""
    lines = "\n".join(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    encoded = body_encode(lines.encode("utf-8", "surrogateescape").decode("latin-1"), 76, "\r\n")
    return encoded if encoded.endswith("\r\n") else encoded + "\r\n"
