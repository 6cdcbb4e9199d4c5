"""`recovery demo`: the main job, from nothing to a first holdout result."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.panel import Panel
from rich.table import Table

from cli.commands_run import answer, export, newest_day, run_one_day
from cli.console import out
from cli.done import day_is_done, note_day
from cli.workspace import Workspace, demo_workspace, find_workspace, truth_dir, world_dir
from contracts.summary import RunSummary

# The newest day of the demo is a Monday, so that all three days lie on the weekly training grid.
LAST_DAY: Final = date(2026, 6, 1)
DAYS_BEFORE: Final = (42, 7, 0)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo")(demo)


def demo(
    sources: Annotated[Path | None, typer.Option(help="Run on these sources instead of the simulated world.")] = None,
    people: Annotated[int, typer.Option(min=200, help="People in the simulated world.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 7,
) -> None:
    """Run the whole chain: three days of a simulated world, or one day of your own sources."""
    if sources is not None:
        workspace = find_workspace(sources)
        ok = run_one_day(workspace, newest_day(workspace))
    else:
        workspace = demo_workspace()
        ok = _three_days(workspace, people=people, seed=seed)
    _show_end(workspace)
    if not ok:
        raise typer.Exit(1)


def _three_days(workspace: Workspace, *, people: int, seed: int) -> bool:
    from simulation import WorldSettings

    world = WorldSettings(seed=seed, people=people)
    target, truth = world_dir(workspace.var_dir), truth_dir(workspace.var_dir)
    before: date | None = None
    ok = True
    for back in DAYS_BEFORE:
        day = LAST_DAY - timedelta(days=back)
        if before is not None:
            answer(world, outbox=workspace.engine.settings.outbox_dir, truth=truth, day=day)
        if not _exported(target, day, people=people, seed=seed):
            export(world, target=target, truth=truth, day=day, since=before)
            _note_export(target, day, people=people, seed=seed)
        if back and day_is_done(workspace, day):
            out.print(f"[bold]{day}[/bold] unchanged since its last run")
        else:
            good = run_one_day(workspace, day)
            note_day(workspace, day, ok=good)
            ok = good and ok
        before = day
    return ok


def _marker(target: Path, day: date) -> Path:
    return target / "exports" / day.isoformat() / "world.json"


def _exported(target: Path, day: date, *, people: int, seed: int) -> bool:
    marker = _marker(target, day)
    return marker.exists() and json.loads(marker.read_text()) == {"people": people, "seed": seed}


def _note_export(target: Path, day: date, *, people: int, seed: int) -> None:
    _marker(target, day).write_text(json.dumps({"people": people, "seed": seed}))


def _summaries(workspace: Workspace) -> list[RunSummary]:
    files = sorted(workspace.engine.settings.report_dir.glob("*/summary.json"))
    if not files and (workspace.var_dir / "summary.json").exists():
        files = [workspace.var_dir / "summary.json"]
    return [RunSummary.model_validate_json(path.read_bytes()) for path in files]


def _show_end(workspace: Workspace) -> None:
    from pipelines.feedback.report.table import marketer_table

    summaries = _summaries(workspace)
    if not summaries:
        return
    rows = marketer_table(summaries)
    table = Table(title="What happened", title_justify="left")
    table.add_column("")
    for summary in summaries:
        table.add_column(summary.as_of_date.isoformat(), justify="right")
    for row in rows:
        table.add_row(*row)
    out.print(table)
    last = summaries[-1]
    lines = [
        f"Report      {last.report or '-'}",
        f"Batch       {last.batch.path or 'none was planned; the report says why'}",
        f"Summary     {workspace.var_dir / 'summary.json'}",
        "Dagster and MLflow: [bold]make dev[/bold], then http://127.0.0.1:3000 and http://127.0.0.1:5000",
    ]
    out.print(Panel("\n".join(lines), title="Where to look next", title_align="left", expand=False))
