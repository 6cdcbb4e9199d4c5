"""The unsubscribe page: one file, no scripts, no external resources, readable by machines and by everybody."""

from __future__ import annotations

import base64
import hashlib
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HERE: Final = Path(__file__).parent
_STYLE: Final = (_HERE / "page.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_FALLBACK: Final = "en"

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Vary": "Accept-Language",
}


class Moment(Enum):
    """What the page says, and the status that goes with it."""

    ASK = ("ask", 200)
    DONE = ("done", 200)
    UNKNOWN = ("unknown", 404)
    LATER = ("later", 503)

    @property
    def key(self) -> str:
        """Of the texts."""
        return self.value[0]

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.value[1]


@lru_cache(maxsize=1)
def texts() -> dict[str, dict[str, str]]:
    """Words of the page by language."""
    content: dict[str, dict[str, str]] = yaml.safe_load((_HERE / "texts.yml").read_text(encoding="utf-8"))
    return content


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined)


@lru_cache(maxsize=256)
def _rendered(moment: Moment, sender: str, language: str) -> str:
    template = _environment().get_template("page.html.j2")
    words = texts()[language]
    return template.render(
        language=language,
        moment=moment.key,
        title=words[f"{moment.key}_title"].format(sender=sender),
        body=words[f"{moment.key}_body"].format(sender=sender),
        button=words["button"],
        sender=sender,
        style=_STYLE,
    )


def render_page(moment: Moment, *, sender: str, languages: str) -> str:
    """HTML of a moment in the reader's language.

    Args:
        moment: what to say.
        sender: who wrote the mail.
        languages: Accept-Language header; English where none of them is known.
    """
    return _rendered(moment, sender, chosen_language(languages))


def chosen_language(header: str) -> str:
    """The best known language of an Accept-Language header (RFC 9110, 12.5.4)."""
    wanted: list[tuple[float, int, str]] = []
    for position, part in enumerate(header[:500].split(",")):
        name, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.partition("=")[2]) if weight else 1.0
        except ValueError:
            quality = 0.0
        code = name.strip().lower().partition("-")[0]
        if quality > 0 and code in texts():
            wanted.append((-quality, position, code))
    return min(wanted)[2] if wanted else _FALLBACK
