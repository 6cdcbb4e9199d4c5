"""Pictures inside Markdown."""

from __future__ import annotations

import base64


def embedded(picture: bytes, *, alt: str) -> str:
    """Markdown with the PNG inside."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(picture).decode()})"
