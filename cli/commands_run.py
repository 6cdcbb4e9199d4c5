"""`recovery run`, `recovery simulate`: do the work of a day, or make a world to try it on."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.console import out, parse_day, progress_bar
from cli.workspace import Workspace, base_var, find_workspace, truth_dir, world_dir
from contracts.errors import BadInputError


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("run")(run)
    app.command("simulate")(simulate)


def run(
    as_of: Annotated[str | None, typer.Option("--as-of", help="Day to decide for, YYYY-MM-DD.")] = None,
    sources: Annotated[Path | None, typer.Option(help="sources.yml; default: the configured one.")] = None,
) -> None:
    """Run one day: exports in, people, model, scores, batch and report out."""
    workspace = find_workspace(sources)
    day = parse_day(as_of) if as_of else newest_day(workspace)
    if not run_one_day(workspace, day):
        raise typer.Exit(1)


def newest_day(workspace: Workspace) -> date:
    """Day after the newest observation in the sources; the sources are ingested to know it.

    Raises:
        BadInputError: nothing could be ingested.
    """
    from pipelines.ingest.asof import default_as_of
    from pipelines.ingest.run import ingest_all

    ingest_all(workspace.engine)
    day = default_as_of(workspace.engine.warehouse)
    if day is None:
        raise BadInputError(
            "The sources hold no dated row.",
            where=str(workspace.sources),
            remedy="Check the paths in the file, or name the day with --as-of.",
        )
    out.print(f"As-of date [bold]{day}[/bold]: the day after the newest observation.")
    return day


def run_one_day(workspace: Workspace, day: date) -> bool:
    """Run a day with a progress bar, print its failures and warnings; True when all is well."""
    from pipelines.run import StepProgress, run_day

    with progress_bar(f"Day {day}") as (bar, task):

        def show(step: StepProgress) -> None:
            words = step.step.replace("__", " ").replace("_", " ")
            bar.update(task, total=step.total, completed=step.done, step=words)

        result = run_day(workspace.engine, day, progress=show)
    spent = sum(result.seconds.values())
    stages = "  ".join(f"{stage} {seconds:.1f}s" for stage, seconds in result.seconds.items())
    mark = "[green]done[/green]" if result.ok else "[red]failed[/red]"
    out.print(f"[bold]{day}[/bold] {mark} in {spent:.0f} s  [dim]{stages}[/dim]")
    for line in result.warnings:
        out.print(f"  [yellow]note[/yellow]  {line}", markup=True, soft_wrap=True)
    for line in result.failures:
        out.print("  [red]failed[/red]  ", end="")
        out.print(line, markup=False, soft_wrap=True)
    _share_summary(workspace)
    return result.ok


def _share_summary(workspace: Workspace) -> None:
    own = workspace.var_dir / "summary.json"
    shared = base_var() / "summary.json"
    if own != shared and own.exists():
        shared.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(own, shared)


def simulate(
    as_of: Annotated[str, typer.Option("--as-of", help="Exports as of this day.")] = "2026-06-01",
    since: Annotated[str | None, typer.Option(help="Only activities created since this day.")] = None,
    people: Annotated[int, typer.Option(min=50, help="People in the world.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the world.")] = 7,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder of the exports.")] = None,
    respond: Annotated[Path | None, typer.Option(help="Answer the batches in this outbox instead.")] = None,
    optima: Annotated[bool, typer.Option("--optima", help="Compute the two optima of the world.")] = False,
) -> None:
    """Make a synthetic CRM world, or let it answer the emitted batches."""
    from simulation import WorldSettings

    target = out_dir or world_dir(base_var())
    truth = truth_dir(target.parent)
    world = WorldSettings(seed=seed, people=people)
    day = parse_day(as_of)
    if respond is not None:
        answer(world, outbox=respond, truth=truth, day=day)
    elif optima:
        show_optima(world, truth=truth)
    else:
        export(world, target=target, truth=truth, day=day, since=parse_day(since) if since else None)


def export(world: Any, *, target: Path, truth: Path, day: date, since: date | None) -> None:
    """Write the world's exports as of a day, with progress."""
    from simulation import write_exports

    with progress_bar(f"World as of {day}") as (bar, task):

        def show(step: str, done: int, total: int) -> None:
            bar.update(task, total=total, completed=done, step=step)

        report = write_exports(world, out=target, truth=truth, as_of=day, since=since, progress=show)
    out.print(f"[bold]World as of {day}[/bold]: {describe(report)}")


def answer(world: Any, *, outbox: Path, truth: Path, day: date) -> None:
    """Let the world answer every unanswered batch of an outbox."""
    from simulation import respond

    report = respond(world, outbox=outbox, truth=truth, as_of=day)
    out.print(f"[bold]The world answers[/bold]: {describe(report)}")


def describe(report: Any) -> str:
    """Counts of a frozen report as 'name 1,234' pairs."""
    from dataclasses import asdict

    pairs = asdict(report).items()
    return ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in pairs if isinstance(value, int))


def show_optima(world: Any, *, truth: Path) -> None:
    """Compute and print the oracle and the observable optimum."""
    from dataclasses import asdict

    from simulation import optima

    table = Table(title="How well anybody can rank these people")
    table.add_column("figure")
    table.add_column("value", justify="right")
    with progress_bar("Optima of the world"):
        found = optima(world, truth=truth)
    for name, value in asdict(found).items():
        table.add_row(name.replace("_", " "), f"{value:.4f}" if isinstance(value, float) else str(value))
    out.print(table)
