"""Clicks and opens that no person made: scanners of mail gateways, image proxies, preview fetchers (W8)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from recovery.inbound.events import EventKind

# Names that programs give themselves, and of gateways that open every link before the reader does.
_PROGRAM: Final = re.compile(
    r"(?i)bot\b|bot/|crawl|spider|scan|preview|fetch|curl|wget|python|java/|go-http|okhttp|libwww|httpclient|axios|headless|"
    r"phantom|slackbot|whatsapp|telegram|facebookexternal|skypeuri|bingpreview|googleimageproxy|yahoomailproxy|"
    r"barracuda|proofpoint|mimecast|safelinks|fireeye|trend ?micro|symantec|messagelabs|forcepoint|cisco|ironport|"
    r"sophos|zscaler|checkpoint|cloudmark|fortinet|virustotal|urlscan|pardot|monitor"
)
# Apple's privacy proxy and many scanners send nothing more than this.
_BARE: Final = frozenset({"", "-", "mozilla", "mozilla/4.0", "mozilla/5.0", "mozilla/5.0 (compatible)"})
_TOO_SOON: Final = timedelta(seconds=10)


def is_machine(kind: EventKind, user_agent: str, *, occurred_at: datetime, sent_at: datetime | None) -> bool:
    """Whether a click or open is taken for a program's. Other kinds never are.

    An open proves nothing and never counts, whoever made it; the mark only says what is known.

    Args:
        kind: of the event.
        user_agent: as the provider reports it.
        occurred_at: naive UTC.
        sent_at: when the touch left, naive UTC; a click within ten seconds of it is a gateway's.
    """
    if kind not in (EventKind.CLICK, EventKind.OPEN):
        return False
    agent = user_agent.strip()
    if agent.lower() in _BARE or _PROGRAM.search(agent) is not None:
        return True
    return sent_at is not None and occurred_at - sent_at < _TOO_SOON
