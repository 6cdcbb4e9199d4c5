"""`recovery person`: access, erasure, restriction and merging, each a request with a due date and receipts."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import out
from cli.workspace import find_workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

    from contracts.settings import Settings

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]
PersonArgument = Annotated[str, typer.Argument(help="Person id, e-mail address, or number with + in front.")]
person_app = typer.Typer(help="Rights of one person.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(person_app, name="person")


@person_app.callback()
def person() -> None:
    """What people may ask for: access, erasure, restriction, merging; requests have due dates and receipts."""


@contextmanager
def _ground(sources: Path | None) -> Iterator[tuple[Settings, sa.Engine, datetime]]:
    from recovery.ledger.engine import make_engine, migrate

    workspace = find_workspace(sources)
    settings = workspace.engine.settings
    engine = make_engine(settings.ledger_sqlalchemy_url)
    try:
        migrate(engine)
        yield settings, engine, workspace.engine.now().replace(tzinfo=None)
    finally:
        engine.dispose()


@person_app.command("export")
def export(
    who: PersonArgument,
    to: Annotated[Path, typer.Option(help="Archive to write.")] = Path("person.zip"),
    sources: SourcesOption = None,
) -> None:
    """Write everything that is held about a person to a ZIP of JSON files."""
    from pipelines.rights.access import export_person
    from pipelines.rights.people import find_people
    from recovery.addresses import load_address_key
    from recovery.rights.requests import RequestKind, complete, open_request

    with _ground(sources) as (settings, engine, now):
        people = find_people(settings.landing_dir, engine, [who])
        name = min(people.person_ids, default="unknown")
        request = open_request(engine, RequestKind.EXPORT, name, by=getpass.getuser(), received_at=now)
        key = load_address_key(settings.secrets_dir)
        rows = export_person(settings, engine, people, to, addresses=key, now=now)
        complete(engine, request, now=now)
    for part, number in rows.items():
        out.print(f"{number:>7,}  rows  {part}")
    out.print(f"Wrote {to}; hand it over safely and remove it afterwards.", soft_wrap=True)


@person_app.command("erase")
def erase(
    who: PersonArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    sources: SourcesOption = None,
) -> None:
    """Erase a person everywhere, with receipts; the address stays blocked by its keyed hash."""
    from pipelines.rights.erasure import erase_people
    from pipelines.rights.people import find_people
    from recovery.addresses import load_address_key
    from recovery.rights.requests import RequestKind, complete, open_request

    with _ground(sources) as (settings, engine, now):
        people = find_people(settings.landing_dir, engine, [who])
        ids = ", ".join(sorted(people.person_ids)) or "an address without a person"
        if not yes:
            typer.confirm(f"Erase {ids} for good?", abort=True)
        name = min(people.person_ids, default="unknown")
        request = open_request(engine, RequestKind.ERASE, name, by=getpass.getuser(), received_at=now)
        key = load_address_key(settings.secrets_dir)
        done = erase_people(settings, engine, people, addresses=key, now=now)
        complete(engine, request, done.receipts, now=now)
    for receipt in done.receipts:
        out.print(f"{receipt.rows:>7,}  {receipt.place}  {receipt.item}", soft_wrap=True)
    out.print(f"[green]Erased.[/green] Request {request}; no byte is left below {settings.var_dir}.", soft_wrap=True)
    out.print("The source system still holds the person: erase there too, or the next export brings the record back.")
    for path in done.left_to_the_source:
        out.print(f"[yellow]Left to the source[/yellow]  {path}", soft_wrap=True)


@person_app.command("restrict")
def restrict_person(
    who: Annotated[str, typer.Argument(help="Person id.")],
    reason: Annotated[str, typer.Option(help="Why; no personal data.")] = "asked for",
    lift: Annotated[bool, typer.Option("--lift", help="End the restriction.")] = False,
    sources: SourcesOption = None,
) -> None:
    """Restrict what is done with a person's data: nobody is contacted until it is lifted."""
    from recovery.rights.requests import RequestKind, complete, open_request, restrict

    kind = RequestKind.LIFT if lift else RequestKind.RESTRICT
    with _ground(sources) as (_, engine, now):
        request = open_request(engine, kind, who, by=getpass.getuser(), received_at=now)
        restrict(engine, who, kind=kind, reason=reason, by=getpass.getuser(), now=now)
        complete(engine, request, now=now)
    out.print("Restriction lifted." if lift else "Restricted: not contacted until it is lifted.")


@person_app.command("merge")
def merge_people(
    who: Annotated[str, typer.Argument(help="Person id that is the same as the other.")],
    into: Annotated[str, typer.Argument(help="Person id that stays.")],
    why: Annotated[str, typer.Option(help="Why; no personal data.")] = "the same human",
    undo: Annotated[bool, typer.Option("--undo", help="They are two people after all.")] = False,
    sources: SourcesOption = None,
) -> None:
    """Say that two people are one; the stricter permission of both holds."""
    from recovery.rights.requests import RequestKind, complete, merge, open_request

    kind = RequestKind.UNMERGE if undo else RequestKind.MERGE
    with _ground(sources) as (_, engine, now):
        request = open_request(engine, kind, who, by=getpass.getuser(), received_at=now)
        merge(engine, who, into, kind=kind, why=why, by=getpass.getuser(), now=now)
        complete(engine, request, now=now)
    out.print("They are two people again." if undo else "They are one person; the stricter permission holds.")


@person_app.command("requests")
def requests(sources: SourcesOption = None) -> None:
    """Open requests that are due within a week or late."""
    from recovery.rights.requests import overdue

    with _ground(sources) as (_, engine, now):
        found = overdue(engine, now=now)
    for row in found:
        late = "[red]late[/red]" if row["due_at"] < now else "due"
        out.print(f"{late} {row['due_at']:%Y-%m-%d}  {row['kind']}  {row['person_id']}  {row['request_id']}")
    if not found:
        out.print("Nothing is due within a week.")


@person_app.command("retention")
def retention(
    apply: Annotated[bool, typer.Option("--apply", help="Remove; without it the command only lists.")] = False,
    sources: SourcesOption = None,
) -> None:
    """List what is older than its retention allows; remove it with --apply."""
    from pipelines.rights.retention import apply_retention, list_expired

    with _ground(sources) as (settings, engine, now):
        expired = list_expired(settings, engine, now=now)
        for item in expired:
            out.print(f"{item.count:>7,}  {item.what}  older than {item.days} days", soft_wrap=True)
        if apply:
            apply_retention(settings, engine, now=now)
    out.print("Removed." if apply else "Nothing was removed; add --apply.")
