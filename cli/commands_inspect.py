"""`recovery status`, `doctor`, `audit`, `map`: look before you act."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.console import out
from cli.workspace import Workspace, find_workspace
from contracts.errors import PermanentError, SettingError
from contracts.summary import RunSummary
from pipelines.resources import PROJECT_ROOT, Engine

_MARKS = {"good": "[green]good[/green]", "warning": "[yellow]look[/yellow]", "bad": "[red]bad[/red]"}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("status")(status)
    app.command("doctor")(doctor)
    app.command("audit")(audit)
    app.command("map")(map_file)


def status(
    sources: Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")] = None,
) -> None:
    """Tell where the installation stands: last day, model, batch, holds."""
    workspace = find_workspace(sources)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _status_rows(workspace):
        table.add_row(name, value)
    out.print(table)


def _status_rows(workspace: Workspace) -> list[tuple[str, str]]:
    from recovery.control import paused_because

    rows = [("sources", str(workspace.sources)), ("state", str(workspace.var_dir))]
    reason = paused_because(workspace.var_dir)
    rows.append(("emission", f"paused: {reason}" if reason else "allowed"))
    path = workspace.var_dir / "summary.json"
    if not path.exists():
        return [*rows, ("last day", "none; run `recovery run`")]
    summary = RunSummary.model_validate_json(path.read_bytes())
    champion, batch = summary.champion, summary.batch
    auc = f", AUC {champion.roc_auc:.3f}" if champion.roc_auc is not None else ""
    return [
        *rows,
        ("last day", summary.as_of_date.isoformat()),
        ("people", f"{summary.people:,}, {summary.dormant:,} dormant, {summary.contactable:,} contactable"),
        ("rows", f"{summary.rows_in:,} in, {summary.rows_rejected:,} rejected"),
        ("model", f"{champion.name} {champion.version or '-'} ({champion.score_kind}{auc})"),
        ("batch", f"{batch.id or 'none'}: {batch.planned:,} planned, {batch.held_out:,} held out"),
        ("report", summary.report or "-"),
    ]


def doctor(
    sources: Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")] = None,
) -> None:
    """Examine versions, ports, folders, settings and locks; every finding has its remedy."""
    from cli.doctor import examine

    try:
        workspace = find_workspace(sources)
        settings, declared = workspace.engine.settings, workspace.sources
    except SettingError:
        if sources is not None:
            raise
        settings, declared = Engine(root=str(PROJECT_ROOT)).settings, None
    findings = examine(settings, sources=declared)
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for found in findings:
        table.add_row(_MARKS[found.state], found.subject, found.told, f"[dim]{found.remedy}[/dim]")
    out.print(table)
    if any(found.state == "bad" for found in findings):
        raise typer.Exit(1)


def audit(
    sources: Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")] = None,
) -> None:
    """Recompute the ledger's audit chain and compare every statement about permission with it; exits 1 on any doubt."""
    from pipelines.campaigns.inputs import open_day_ledger
    from recovery.ledger.audit import verify_chain
    from recovery.ledger.engine import reading
    from recovery.ledger.seals import verify_seals

    with open_day_ledger(find_workspace(sources).engine.settings) as ledger, reading(ledger.engine) as connection:
        chain, seals = verify_chain(connection), verify_seals(connection)
    table = Table(title="Audit of the ledger")
    for column in ("what", "rows", "result"):
        table.add_column(column, justify="right" if column == "rows" else "left")
    broken = "at its end" if chain.broken_at is None else f"at entry {chain.broken_at:,}"
    follows = "each follows from the one before" if chain.is_whole else f"[red]does not follow {broken}[/red]"
    table.add_row("chain", f"{chain.rows:,}", follows)
    for seal in seals:
        same = "as they were written" if seal.is_whole else f"[red]not the {seal.sealed:,} that were written[/red]"
        table.add_row(seal.table.replace("_", " "), f"{seal.rows:,}", same)
    out.print(table)
    if not (chain.is_whole and all(seal.is_whole for seal in seals)):
        raise PermanentError(
            "Something in the ledger was changed, dropped or slipped in.",
            where="ledger",
            remedy="Pause delivery (`recovery pause`), keep this ledger, and compare with the last backup.",
        )


def map_file(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file of any system.")],
) -> None:
    """Propose how an unknown file maps to leads, activities, permissions, suppressions or outcomes."""
    from pipelines.ingest.mapping import propose_mapping

    proposal = propose_mapping(file)
    table = Table(title=f"{file.name} looks like {proposal.object}")
    for heading in ("column", "becomes", "confidence", "why"):
        table.add_column(heading, overflow="fold")
    for column in proposal.columns:
        target = column.canonical or "[yellow]unmapped[/yellow]"
        table.add_row(column.name, target, f"{column.confidence:.0%}", column.why)
    out.print(table)
    for missing in proposal.missing:
        out.print(f"[yellow]missing[/yellow]  {missing}")
    out.print("\nAdd this to sources.yml and correct what is wrong:\n")
    out.print(proposal.yaml, markup=False, highlight=False)
