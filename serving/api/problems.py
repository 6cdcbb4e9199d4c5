"""Errors as RFC 9457 problem details: what, where and remedy, and never a traceback or a value of the request."""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class ProblemError(Exception):
    """A request that ends with a clear answer.

    Args:
        status: HTTP status.
        code: stable name of the kind, such as `unknown_person`.
        detail: one sentence for the caller.
        remedy: what the caller does next.
        headers: extra header fields.
        fields: extra members of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        remedy: str = "",
        headers: dict[str, str] | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.remedy = status, code, detail, remedy
        self.headers, self.fields = headers or {}, fields or {}

    def body(self) -> dict[str, Any]:
        """Members of the answer."""
        found: dict[str, Any] = {
            "type": f"urn:recovery:problem:{self.code}",
            "title": self.code.replace("_", " "),
            "status": self.status,
            "detail": self.detail,
        }
        if self.remedy:
            found["remedy"] = self.remedy
        return found | self.fields

    def response(self) -> Response:
        """The answer."""
        return Response(orjson.dumps(self.body()), self.status, self.headers, MEDIA_TYPE)


def unknown_person() -> ProblemError:
    """The same answer for nobody and for somebody whom the caller may not see."""
    return ProblemError(404, "unknown_person", "No person with this id is known to this key.")
