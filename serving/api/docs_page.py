"""The page at /docs: every route with its examples, to be read and tried, made from the OpenAPI and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

_PAGES: Final = Path(__file__).parent / "pages"
# Its own script and style, requests to its own origin, nothing from elsewhere.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def add_docs(app: FastAPI) -> None:
    """Serve the page; made once, when it is first asked for."""
    made: list[str] = []

    async def docs(_request: Request) -> HTMLResponse:
        if not made:
            made.append(docs_page(app.openapi()))
        return HTMLResponse(made[0], headers={"Content-Security-Policy": _POLICY})

    app.add_route("/docs", docs, include_in_schema=False)


def docs_page(schema: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for tag, operation in _operations(schema):
        groups.setdefault(tag, []).append(operation)
    world = Environment(loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined)
    return world.get_template("docs.html.j2").render(info=schema["info"], groups=list(groups.items()))


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, found in methods.items():
            summary, *more = found.get("description", found["summary"]).split("\n\n")
            body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
            yield found["tags"][-1], {
                "method": method.upper(),
                "path": path,
                "summary": " ".join(summary.split()),
                "paragraphs": [" ".join(text.split()) for text in more],
                "parameters": [
                    {"name": one["name"], "place": one["in"], "required": one.get("required", False),
                     "description": one.get("description", "")}
                    for one in found.get("parameters", [])
                ],
                "examples": [
                    (name, json.dumps(one["value"], indent=1)) for name, one in body.get("examples", {}).items()
                ],
                "answers": [(status, one["description"]) for status, one in found["responses"].items()],
            }  # fmt: skip
