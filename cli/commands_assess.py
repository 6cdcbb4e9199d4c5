"""`recovery assess`: what would this engine have achieved on your past leads?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.console import out, progress_bar
from cli.workspace import base_var
from contracts.settings import Settings
from pipelines.resources import PROJECT_ROOT

if TYPE_CHECKING:
    from pipelines.assess.run import Report


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("assess")(assess)


def assess(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file, one row per past lead; .gz and .zst too.")],
    label: Annotated[str, typer.Option(help="Column that says whether it happened.")],
    positive: Annotated[str | None, typer.Option(help='Value that means yes, or a comparison such as ">0".')] = None,
    time: Annotated[str | None, typer.Option(help="Date or order number; the last share is held out.")] = None,
    date_format: Annotated[str | None, typer.Option(help='Format of the dates, e.g. "%d/%m/%Y".')] = None,
    group: Annotated[str | None, typer.Option(help="Column whose rows stay on one side, e.g. a person.")] = None,
    drop: Annotated[str, typer.Option(help='Columns not to use: "A,B".')] = "",
    value: Annotated[str | None, typer.Option(help="Amount that a positive brought.")] = None,
    cost: Annotated[float | None, typer.Option(help="Cost of one contact.")] = None,
    treatment: Annotated[str | None, typer.Option(help="Arm of a randomised test.")] = None,
    control: Annotated[str | None, typer.Option(help="Arm that was left alone; found by its name otherwise.")] = None,
    propensity: Annotated[str | None, typer.Option(help="Chance with which the row's own arm was drawn.")] = None,
    population_weight: Annotated[str | None, typer.Option(help="Rows of the population that a row stands for.")] = None,
    test_filter: Annotated[str | None, typer.Option(help='SQL over the columns, e.g. "year >= 2024".')] = None,
    test_share: Annotated[float, typer.Option(help="Share held out by time.")] = 0.25,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder of the report.")] = None,
    track: Annotated[bool, typer.Option(help="Keep the assessment as a run in MLflow.")] = True,
) -> None:
    """Assess a table of past leads: held-out accuracy, calibration, profit, uplift and suspected leaks."""
    from pipelines.assess.request import Request
    from pipelines.assess.run import assess_file

    request = Request(
        label=label, positive=positive, time=time, date_format=date_format, group=group, drop=split_names(drop),
        value=value, cost=cost, treatment=treatment, control=control, propensity=propensity, weight=population_weight,
        test_filter=test_filter, test_share=test_share,
    )  # fmt: skip
    settings = Settings()
    settings = settings.model_copy(update={"var_dir": PROJECT_ROOT / settings.var_dir})
    folder = out_dir or base_var() / "assess" / file.name.split(".")[0]
    with progress_bar(f"Assessing {file.name}") as (bar, task):
        report = assess_file(
            file, request, out=folder, settings=settings, track=track,
            progress=lambda step: bar.update(task, step=step),
        )  # fmt: skip
    show(report)


def split_names(text: str) -> tuple[str, ...]:
    """Names from a comma-separated list; quotes keep a comma inside a name.

    >>> split_names('A, "b, c"')
    ('A', 'b, c')
    """
    import csv

    rows = list(csv.reader([text], skipinitialspace=True))
    return tuple(name.strip() for name in rows[0] if name.strip()) if rows else ()


def show(report: Report) -> None:
    """Print an assessment as a table."""
    from pipelines.assess.words import leak_lines, rows_of

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for row in rows_of(report.found):
        table.add_row(*row)
    out.print(table)
    for line in leak_lines(report.found):
        out.print("[yellow]suspected leak[/yellow]  ", end="")
        out.print(line, markup=False, soft_wrap=True)
    for line in (*report.found.unavailable.values(), *report.found.notes):
        out.print("[yellow]note[/yellow]  ", end="")
        out.print(line, markup=False, soft_wrap=True)
    out.print(f"[dim]{len(report.found.dropped)} columns left out; why stands in the report.[/dim]")
    out.print(f"Report: {report.folder / 'index.html'}", markup=False, soft_wrap=True)
