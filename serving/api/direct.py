"""Routes that read their request and write their answer themselves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class DirectRoute(APIRoute):
    """A route of the OpenAPI whose function takes the request alone and returns a response.

    FastAPI solves dependencies, reads bodies and checks answers for routes that declare them; one that declares none
    need not wait for it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        return self.endpoint
