"""One console for people: colours, progress, and errors as one readable paragraph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from contracts.errors import RecoveryError

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)


def show_error(error: RecoveryError, *, title: str = "Not done") -> None:
    """Print what, where and remedy of an expected error to stderr."""
    text = f"[bold]{_plain(error.what)}[/bold]"
    if error.where:
        text += f"\n[dim]where[/dim]   {_plain(error.where)}"
    if error.remedy:
        text += f"\n[dim]remedy[/dim]  {_plain(error.remedy)}"
    err.print(Panel(text, title=title, title_align="left", border_style="red", expand=False))


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@contextmanager
def progress_bar(title: str, total: int | None = None) -> Iterator[tuple[Progress, TaskID]]:
    """A transient progress bar, silent where nobody looks; yields the Rich object and the task to advance."""
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[step]}"),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        yield bar, bar.add_task(title, total=total, step="")


def parse_day(text: str) -> date:
    """A date given as YYYY-MM-DD.

    Raises:
        RecoveryError: the text is no such date.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RecoveryError(f"{text!r} is not a date.", remedy="Write it as YYYY-MM-DD, e.g. 2026-06-01.") from error
