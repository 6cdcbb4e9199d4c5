"""`recovery init`, `prepare`, `dev`, `docs`: make an installation and show it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.prompt import Prompt

from cli.console import out
from cli.initialise import Declared, SenderForm, write_env, write_sources
from cli.workspace import base_var, find_workspace
from contracts.errors import SettingError
from pipelines.resources import PROJECT_ROOT


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("init")(init)
    app.command("prepare", hidden=True)(prepare)
    app.command("dev")(dev)
    app.command("docs", hidden=True)(docs)


def init(
    sender_name: Annotated[str | None, typer.Option(help="Who writes.")] = None,
    postal_address: Annotated[str | None, typer.Option(help="Valid physical postal address.")] = None,
    from_address: Annotated[str | None, typer.Option(help="From address on a domain that you own.")] = None,
    unsubscribe_url: Annotated[str | None, typer.Option(help="HTTPS address of the unsubscribe page.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="name=crm:folder, e.g. hubspot=hubspot:exports/hubspot; repeat for each source."),
    ] = None,
    declare: Annotated[
        list[str] | None,
        typer.Option(help="name=COUNTRY:who:words - your declaration for leads of a source without a country."),
    ] = None,
    market: Annotated[str | None, typer.Option(help="b2b or real_estate; sets how long until dormant.")] = None,
    time_zone: Annotated[str, typer.Option(help="Zone of timestamps without one.")] = "UTC",
    folder: Annotated[Path, typer.Option(help="Where .env and sources.yml are written.")] = PROJECT_ROOT,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Say who sends and where the exports lie; asks for what is not given."""
    _refuse_to_overwrite(folder, force=force)
    form = SenderForm.checked(
        sender_name=sender_name or Prompt.ask("Who writes (sender name)", console=out),
        postal_address=postal_address or Prompt.ask("Postal address of the sender", console=out),
        from_address=from_address or Prompt.ask("From address", console=out),
        unsubscribe_url=unsubscribe_url or Prompt.ask("Unsubscribe page (https://...)", console=out),
    )
    given = source or [Prompt.ask("First source as name=crm:folder", default="hubspot=hubspot:exports/hubspot")]
    declared = Declared.parse(given, declarations=declare or [], market=market, time_zone=time_zone)
    write_env(folder / ".env", form)
    write_sources(folder / "sources.yml", declared)
    out.print(f"Wrote {folder / '.env'} and {folder / 'sources.yml'}.")
    out.print("Next: [bold]recovery map FILE[/bold] shows how a file is read, [bold]recovery run[/bold] runs a day.")


def _refuse_to_overwrite(folder: Path, *, force: bool) -> None:
    present = [name for name in (".env", "sources.yml") if (folder / name).exists()]
    if present and not force:
        raise SettingError(
            f"{' and '.join(present)} exist already.",
            where=str(folder),
            remedy="Edit them, or add --force to replace them.",
        )


def prepare() -> None:
    """Parse the dbt project once, so that Dagster and every step find its manifest ready."""
    from pipelines.features.project import prepare_manifest

    prepare_manifest(PROJECT_ROOT, base_var())


def dev(
    sources: Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")] = None,
) -> None:
    """Start the Dagster UI and daemon and the MLflow UI on loopback; Ctrl-C ends them."""
    from cli.servers import serve_until_stopped

    serve_until_stopped(find_workspace(sources))


def docs() -> None:
    """Write the reference page of settings, commands, assets and checks from the code."""
    from cli.reference import write_reference

    out.print(f"Wrote {write_reference(PROJECT_ROOT / 'docs' / 'reference.md')}.")
