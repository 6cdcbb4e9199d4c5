"""Shows the rows of a suite as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.rows import Row


def show(title: str, rows: Sequence[Row], *, console: Console | None = None) -> None:
    """Print the rows."""
    table = Table(title=title, title_justify="left")
    for name in ("figure", "value", "unit", "bare", "ratio", "target", "ok"):
        table.add_column(name, justify="left" if name in {"figure", "unit"} else "right")
    for row in rows:
        table.add_row(
            row.name,
            number(row.value),
            row.unit,
            number(row.baseline),
            number(row.ratio),
            "" if row.target is None else f"≤ {number(row.target)}",
            verdict(row.ok),
        )
    out = console or Console(highlight=False)
    out.print(table)
    if rows:
        out.print(f"{rows[0].machine}; commit {rows[0].commit}; {rows[0].at}", style="dim")


def number(value: float | None) -> str:
    """Three significant figures below 1,000, whole numbers above; empty for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:.3g}"


def verdict(ok: bool | None) -> str:
    """yes, NO or nothing."""
    return "" if ok is None else "yes" if ok else "NO"
