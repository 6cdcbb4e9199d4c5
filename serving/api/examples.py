"""Examples of the API's pages; a test sends each of them."""

from __future__ import annotations

from typing import Any, Final

SCORE: Final[dict[str, Any]] = {
    "a described lead": {
        "lead": {
            "ref": "web-4711",
            "attributes": {"job_title": "VP Sales", "industry": "Software", "employee_count": 250, "country": "US"},
            "activities": [
                {"occurred_at": "2026-01-12T09:30:00Z", "kind": "form", "direction": "inbound", "outcome_level": 2},
                {"occurred_at": "2026-02-03T16:05:00+01:00", "kind": "email", "direction": "outbound"},
            ],
        }
    },
    "a known person": {"person_id": "6f0e1c1c-7d0e-5c4b-9a51-0d6c3f1f2a10"},
}
BULK: Final[dict[str, Any]] = {
    "people and leads": {
        "person_ids": ["6f0e1c1c-7d0e-5c4b-9a51-0d6c3f1f2a10"],
        "leads": [SCORE["a described lead"]["lead"]],
    }
}
EVENTS: Final[dict[str, Any]] = {
    "a form": {
        "person_id": "6f0e1c1c-7d0e-5c4b-9a51-0d6c3f1f2a10",
        "activities": [
            {
                "event_id": "form-8812", "occurred_at": "2026-02-03T16:05:00+01:00", "kind": "form",
                "direction": "inbound", "outcome_level": 2,
            }
        ],
    }
}  # fmt: skip


_ONCE: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key and body get the first answer again; another body is refused",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def body(schema: str, given: dict[str, Any], *, is_once: bool = True) -> dict[str, Any]:
    """What the OpenAPI says of a route that reads its body itself, and its idempotency key."""
    content = {
        "schema": {"$ref": f"#/components/schemas/{schema}"},
        "examples": {name: {"value": value} for name, value in given.items()},
    }
    described: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/json": content}}}
    return described | ({"parameters": [_ONCE]} if is_once else {})


def links(person_id: str) -> dict[str, Any]:
    """OpenAPI links from an answer to the routes about its person; `person_id` is a runtime expression."""
    names = ("person_score", "person_insights")
    return {name: {"operationId": name, "parameters": {"person_id": person_id}} for name in names}
