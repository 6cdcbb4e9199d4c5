"""A draft as an Internet message (RFC 5322) with one-click unsubscribe (RFC 8058)."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from recovery.drafting.facts import SenderFacts
from recovery.drafting.lint import LARGEST_BYTES
from recovery.drafting.render import Draft, DraftError


def build_eml(draft: Draft, sender: SenderFacts, *, touch_id: str, not_before: datetime) -> bytes:
    """The message's bytes; the same draft and touch always give the same bytes.

    Args:
        draft: an e-mail draft.
        sender: who writes.
        touch_id: becomes Message-ID, boundary and unsubscribe token.
        not_before: naive UTC; becomes the Date header.

    Raises:
        DraftError: a header would be malformed, or the message is 102 KB or larger.
    """
    local, _, domain = sender.from_address.rpartition("@")
    to_local, _, to_domain = draft.to_address.rpartition("@")
    message = EmailMessage(policy=policy.SMTP)
    try:
        message["From"] = Address(display_name=sender.name, username=local, domain=domain)
        message["To"] = Address(username=to_local, domain=to_domain)
        message["Subject"] = draft.subject
        message["Date"] = format_datetime(not_before.replace(tzinfo=UTC))
        message["Message-ID"] = f"<{touch_id}@{domain}>"
        message["List-Unsubscribe"] = f"<{sender.unsubscribe_link(touch_id)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(draft.text, cte="quoted-printable")
        message.add_alternative(draft.html, subtype="html", cte="quoted-printable")
        message.set_boundary(f"=_{touch_id}")
        data = message.as_bytes()
    except (ValueError, IndexError) as error:
        raise DraftError(f"The message has a malformed header: {error}.", where=f"touch {touch_id}") from error
    if len(data) >= LARGEST_BYTES:
        raise DraftError("The message is larger than 102 KB.", where=f"touch {touch_id}")
    return data
