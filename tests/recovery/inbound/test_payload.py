"""A number stands for somebody only with its country."""

from __future__ import annotations

import json

import pytest

from recovery.inbound.payload import parse_payload


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("+1 (212) 555-0100", "+12125550100"),
        ("0012125550100", "+12125550100"),
        ("0049 30 123456", "+4930123456"),
        ("12125550100", "+12125550100"),
        ("tel:+49-30-123456", "+4930123456"),
        ("(212) 555-0100", None),
        ("030 1234567890", None),
        ("13812345678", None),  # a mobile number inside China, no number of +1
        ("8613812345678", "+8613812345678"),
        ("+1", None),
        ("Ann@X.example", "Ann@X.example"),
    ],
)
def test_numbers_are_read_with_their_country_or_not_at_all(given: str, read: str | None) -> None:
    data = {"id": "e", "type": "unsubscribe", "occurred_at": "2026-06-01T10:00:00Z", "address": given, "channel": "sms"}
    (event,) = parse_payload(json.dumps({"events": [data]}).encode(), provider="esp")
    assert event.address == read
