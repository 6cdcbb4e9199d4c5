"""`recovery plan`, `recovery approve`: see everything that would happen, then let it."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.commands_run import newest_day
from cli.console import out, parse_day
from cli.workspace import Workspace, find_workspace
from contracts.errors import BadInputError

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("plan")(plan)
    app.command("approve")(approve)


def plan(
    as_of: Annotated[str | None, typer.Option("--as-of", help="Day to plan for, YYYY-MM-DD; default: newest.")] = None,
    sources: SourcesOption = None,
) -> None:
    """Show what would happen: sends, skips and what would unlock them, cost, legal exposure, expected result."""
    from pipelines.campaigns.assets import publish_batch, publish_plan

    workspace = find_workspace(sources)
    engine = workspace.engine
    day = parse_day(as_of) if as_of else _scored_day(workspace)
    facts = publish_plan(engine, day).facts
    _show_plan(day.isoformat(), facts)
    manifest, outcome = publish_batch(engine, day)
    batch = manifest.facts
    if batch["batch_id"] is None:
        out.print(f"No batch: {batch['note'] or 'nobody is contacted'}.")
        return
    out.print(f"Batch [bold]{batch['batch_id']}[/bold] ({outcome}), sha256 {batch['sha256']}", soft_wrap=True)
    if batch["note"]:
        out.print(f"{batch['note']} Approve it with:", soft_wrap=True)
        out.print(f"  recovery approve {batch['batch_id']} --sha256 {batch['sha256'][:16]}", soft_wrap=True)


def _scored_day(workspace: Workspace) -> Any:
    from contracts.published import latest_date

    return latest_date(workspace.engine.settings.published_dir, "lead_scores") or newest_day(workspace)


def _show_plan(day: str, facts: dict[str, Any]) -> None:
    table = Table(title=f"Plan for {day}", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    effect = facts["power"]["smallest_visible_effect"]
    providers = facts.get("mail", {}).get("by_provider", {})
    evidence = "" if facts.get("measured_channels") else " (not incremental evidence)"
    for name, value in (
        ("dormant", f"{facts['dormant']:,}"),
        ("to be contacted", f"{facts['planned']:,}"),
        ("held out", f"{facts['held_out']:,}"),
        *((f"by {channel}", f"{count:,}") for channel, count in facts["by_channel"].items()),
        *((f"to mailboxes of {name}", f"{count:,}") for name, count in providers.items()),
        ("cost of sending", f"{facts['cost']:,.2f}"),
        ("cost of words", f"{facts['cost_words']:,.2f}"),
        ("agent minutes", f"{facts['agent_minutes']:,.0f}"),
        (f"expected {facts['expected_unit']}", f"{facts['expected']:,.2f}{evidence}"),
        ("smallest effect the holdout can show", f"{effect:.1%}" if effect is not None else "none"),
    ):
        table.add_row(name, value)
    out.print(table)
    if facts["waterfall"]:
        out.print(_skipped(facts))
    if facts["exposure"]:
        out.print(_exposure(facts))


def _skipped(facts: dict[str, Any]) -> Table:
    skipped = Table(title="Skipped")
    for column in ("people", "reason", "what would unlock it"):
        skipped.add_column(column, justify="right" if column == "people" else "left")
    for row in facts["waterfall"]:
        skipped.add_row(f"{row['people']:,}", row["words"], row["unlock"])
    return skipped


def _exposure(facts: dict[str, Any]) -> Table:
    from pipelines.campaigns.cost import exposed_words

    law = Table(title="Worst-case legal exposure, were every message unlawful")
    for column in ("messages", "at most", "law"):
        law.add_column(column, justify="left" if column == "law" else "right")
    for row in facts["exposure"]:
        law.add_row(f"{row['messages']:,}", exposed_words(row), row["law"])
    return law


def approve(
    batch_id: Annotated[str, typer.Argument(help="The batch, as `recovery plan` names it.")],
    sha256: Annotated[str, typer.Option("--sha256", help="Its hash as the plan shows it, 16 digits or more.")] = "",
    show: Annotated[int, typer.Option("--show", min=0, help="Show so many messages; approve nothing.")] = 0,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Approve by sample: messages that were read.")] = 0,
    defects: Annotated[int, typer.Option("--defects", min=0, help="How many of them were not fit to be sent.")] = 0,
    by: Annotated[str, typer.Option("--by", help="Who approves; default: the user of this machine.")] = "",
    sources: SourcesOption = None,
) -> None:
    """Approve a batch, bound to the hash of its recipients, words, windows, rules and model."""
    from pipelines.campaigns.inputs import open_day_ledger
    from pipelines.campaigns.sending import approve_batch
    from recovery.delivery.approval import Sample

    workspace = find_workspace(sources)
    with open_day_ledger(workspace.engine.settings) as ledger:
        if show:
            _show_messages(ledger, batch_id, show)
            return
        if not sha256:
            raise BadInputError(
                "An approval names the hash of what was looked at.",
                where=batch_id,
                remedy="Copy it from `recovery plan` or `recovery batches`: --sha256 <hash>.",
            )
        if defects and not sample:
            raise BadInputError(
                "Defects belong to a sample.",
                where="--defects",
                remedy="Say how many messages were read: --sample N --defects M.",
            )
        read = Sample(sample, defects) if sample else None
        approve_batch(workspace.engine, ledger, batch_id, sha256=sha256, by=by or getpass.getuser(), sample=read)
    bound = f", at most {read.bound():.1%} defective (95 %)" if read else ""
    out.print(f"[green]Approved[/green] {batch_id}{bound}.", soft_wrap=True)


def _show_messages(ledger: Any, batch_id: str, count: int) -> None:
    from recovery.delivery.approval import draw_sample, read_messages

    for message in read_messages(ledger.engine, draw_sample(ledger.engine, batch_id, count)):
        out.rule(f"{message.touch_id}")
        out.print(f"to {message.address}\n{message.subject}\n\n{message.text}", markup=False, soft_wrap=True)
