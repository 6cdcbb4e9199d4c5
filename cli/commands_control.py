"""`recovery pause`, `resume`, `rollback`, `suppress`: the hands on the brake."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import out
from cli.workspace import find_workspace

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("rollback")(rollback)
    app.command("suppress")(suppress)


def pause(
    reason: Annotated[str, typer.Option(help="Why; shown in status and reports.")] = "paused by hand",
    sources: SourcesOption = None,
) -> None:
    """Stop all emission at once; scores go on."""
    from recovery.control import pause as stop

    workspace = find_workspace(sources)
    stop(workspace.var_dir, reason=reason, now=workspace.engine.now())
    out.print("[yellow]Paused.[/yellow] No batch leaves until `recovery resume`.")


def resume(sources: SourcesOption = None) -> None:
    """Allow emission again."""
    from recovery.control import resume as go

    workspace = find_workspace(sources)
    was = go(workspace.var_dir)
    out.print("Resumed." if was else "Nothing was paused.")


def rollback(sources: SourcesOption = None) -> None:
    """Make the previous model the champion again."""
    from pipelines.training.rollback import rollback_champion

    told = rollback_champion(find_workspace(sources).engine)
    out.print(told, soft_wrap=True)


def suppress(
    file: Annotated[Path, typer.Argument(help="CSV with a column of e-mail addresses or phone numbers.")],
    reason: Annotated[str, typer.Option(help="opt_out, objection, complaint, hard_bounce or do_not_contact.")] = (
        "do_not_contact"
    ),
    sources: SourcesOption = None,
) -> None:
    """Add a do-not-contact list; it holds at once, also for approved batches."""
    from pipelines.ingest.suppress import land_suppressions

    workspace = find_workspace(sources)
    landed = land_suppressions(workspace.engine, file, reason=reason)
    out.print(str(landed), soft_wrap=True)
