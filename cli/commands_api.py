"""`recovery apikey`: who may ask the scoring API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.console import out
from cli.workspace import find_workspace
from recovery.access import KeyStore, Role

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]
apikey_app = typer.Typer(help="Keys of the scoring API.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(apikey_app, name="apikey")


@apikey_app.callback()
def apikey() -> None:
    """Issue, list, rotate and revoke keys of the scoring API."""


@contextmanager
def _store(sources: Path | None) -> Iterator[tuple[KeyStore, datetime]]:
    from recovery.ledger import open_ledger
    from recovery.ledger.engine import make_engine

    workspace = find_workspace(sources)
    url = workspace.engine.settings.ledger_sqlalchemy_url
    open_ledger(url).close()
    engine = make_engine(url)
    try:
        yield KeyStore(engine), workspace.engine.now().replace(tzinfo=None)
    finally:
        engine.dispose()


def _show(token: str) -> None:
    out.print("The key, shown now and never again:")
    out.print(f"[bold]{token}[/bold]", soft_wrap=True)


@apikey_app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    owner: Annotated[str | None, typer.Option(help="Sees only people of this owner.")] = None,
    team: Annotated[str | None, typer.Option(help="Sees only people of this team.")] = None,
    per_minute: Annotated[int, typer.Option(min=1, help="Requests in any 60 seconds.")] = 600,
    valid_days: Annotated[int, typer.Option(min=1, help="Days until it ends.")] = 365,
    sources: SourcesOption = None,
) -> None:
    """Make a key."""
    with _store(sources) as (store, now):
        _, token = store.issue(
            name=name, role=role, now=now, owner_id=owner, team_id=team, per_minute=per_minute, valid_days=valid_days
        )
    _show(token)


@apikey_app.command("list")
def list_keys(sources: SourcesOption = None) -> None:
    """Show all keys, ended ones too."""
    table = Table("id", "name", "role", "owner", "team", "a minute", "ends")
    with _store(sources) as (store, now):
        for key in store.every():
            ends = "ended" if not key.is_live(now) else str(key.expires_at or "never")
            table.add_row(key.key_id, key.name, key.role.value, key.owner_id, key.team_id, f"{key.per_minute:,}", ends)
    out.print(table)


@apikey_app.command("rotate")
def rotate(key_id: Annotated[str, typer.Argument(help="Id of the key.")], sources: SourcesOption = None) -> None:
    """Make a new key with the same rights; the old one works for one more day."""
    with _store(sources) as (store, now):
        _, token = store.rotate(key_id, now=now)
    _show(token)


@apikey_app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="Id of the key.")], sources: SourcesOption = None) -> None:
    """End a key at once."""
    with _store(sources) as (store, now):
        store.revoke(key_id, now=now)
    out.print(f"Key {key_id} is over.")
