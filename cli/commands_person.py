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
from contracts.errors import BadInputError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from contracts.settings import Settings
    from recovery.rights.matching import Identifiers

SourcesOption = Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")]
PersonArgument = Annotated[str, typer.Argument(help="Person id, e-mail address, or number with + in front.")]
_SHOWN_RECORDS = 10
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


def _find(settings: Settings, engine: sa.Engine, who: str) -> Identifiers:
    from pipelines.rights.landed_people import declared_countries
    from pipelines.rights.people import find_people

    return find_people(settings.landing_dir, engine, [who], countries=declared_countries(settings))


def _find_person(settings: Settings, engine: sa.Engine, who: str) -> Identifiers:
    """As `_find`, for what needs an id.

    Raises:
        BadInputError: nobody is known by that, or the address belongs to no person.
    """
    people = _find(settings, engine, who)
    if not people.main_id:
        raise BadInputError(
            "The address belongs to no person here.",
            where="the address given",
            remedy="Give the person id; `recovery suppress` blocks an address of nobody.",
        )
    return people


def _show(people: Identifiers) -> None:
    """Who was found, by ids and records; addresses are counted."""
    records = sorted(f"{source}:{kind}:{one}" for (source, kind), ids in people.records.items() for one in ids)
    more = f" and {len(records) - _SHOWN_RECORDS:,} more" if len(records) > _SHOWN_RECORDS else ""
    ids = ", ".join(sorted(people.current_ids or people.person_ids)) or "an address without a person"
    out.print(f"Found {ids}", soft_wrap=True, markup=False)
    out.print(f"  records: {', '.join(records[:_SHOWN_RECORDS]) or 'none'}{more}", soft_wrap=True, markup=False)
    own = len(people.emails) + len(people.numbers)
    kept = f"; {people.shared} more that others have too stay theirs" if people.shared else ""
    out.print(f"  addresses of their own: {own}{kept}", soft_wrap=True, markup=False)


@person_app.command("export")
def export(
    who: PersonArgument,
    to: Annotated[Path, typer.Option(help="Archive to write.")] = Path("person.zip"),
    sources: SourcesOption = None,
) -> None:
    """Write everything that is held about a person to a ZIP of JSON files."""
    from pipelines.rights.access import export_person
    from recovery.addresses import load_address_key
    from recovery.rights.asking import RequestKind
    from recovery.rights.requests import complete, open_request

    with _ground(sources) as (settings, engine, now):
        people = _find(settings, engine, who)
        _show(people)
        name = people.main_id or "unknown"
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
    from pipelines.runlock import take_run_lock
    from recovery.addresses import load_address_key
    from recovery.rights.asking import RequestKind
    from recovery.rights.requests import complete, open_request, waiting_request
    from recovery.rights.unfinished import unfinished_erasure

    with _ground(sources) as (settings, engine, now):
        begun = unfinished_erasure(engine, who)
        people = _find(settings, engine, who) if begun is None else begun[1]
        _show(people)
        if not yes:
            typer.confirm("Erase for good?" if begun is None else "Finish the erasure that was begun?", abort=True)
        by, name = getpass.getuser(), people.main_id or "unknown"
        request = begun[0] if begun else waiting_request(engine, RequestKind.ERASE, people.person_ids)
        request = request or open_request(engine, RequestKind.ERASE, name, by=by, received_at=now)
        key = load_address_key(settings.secrets_dir)
        with take_run_lock(settings.var_dir, wait_seconds=0):
            done = erase_people(settings, engine, people, addresses=key, now=now, request_id=request)
        complete(engine, request, now=now)
    for receipt in done.receipts:
        out.print(f"{receipt.rows:>7,}  {receipt.place}  {receipt.item}", soft_wrap=True)
    out.print(f"[green]Erased.[/green] Request {request}; no byte is left below {settings.var_dir}.", soft_wrap=True)
    out.print("The source system still holds the person: erase there too, or the next export brings the record back.")
    for path in done.left_to_the_source:
        out.print(f"[yellow]Left to the source[/yellow]  {path}", soft_wrap=True)


@person_app.command("restrict")
def restrict_person(
    who: PersonArgument,
    reason: Annotated[str, typer.Option(help="Why; no personal data.")] = "asked for",
    lift: Annotated[bool, typer.Option("--lift", help="End the restriction.")] = False,
    sources: SourcesOption = None,
) -> None:
    """Restrict what is done with a person's data: nobody is contacted until it is lifted."""
    from recovery.rights.asking import RequestKind
    from recovery.rights.requests import complete, open_request, restrict

    kind, by = RequestKind.LIFT if lift else RequestKind.RESTRICT, getpass.getuser()
    with _ground(sources) as (settings, engine, now):
        people = _find_person(settings, engine, who)
        request = open_request(engine, kind, people.main_id, by=by, received_at=now)
        for one in sorted(people.person_ids):
            restrict(engine, one, kind=kind, reason=reason, by=by, now=now)
        complete(engine, request, now=now)
    _show(people)
    out.print("Restriction lifted." if lift else "Restricted: not contacted until it is lifted.")


@person_app.command("merge")
def merge_people(
    who: Annotated[str, typer.Argument(help="Person, as above, who is the same as the other.")],
    into: Annotated[str, typer.Argument(help="Person who stays.")],
    why: Annotated[str, typer.Option(help="Why; no personal data.")] = "the same human",
    undo: Annotated[bool, typer.Option("--undo", help="They are two people after all; give the two ids.")] = False,
    sources: SourcesOption = None,
) -> None:
    """Say that two people are one; the stricter permission of both holds."""
    from recovery.rights.asking import RequestKind
    from recovery.rights.requests import complete, merge, open_request

    kind, by = RequestKind.UNMERGE if undo else RequestKind.MERGE, getpass.getuser()
    with _ground(sources) as (settings, engine, now):
        one, other = (who, into) if undo else _two_people(settings, engine, who, into)
        merge(engine, one, other, kind=kind, why=why, by=by, now=now)
        complete(engine, open_request(engine, kind, one, by=by, received_at=now), now=now)
    said = "two people again" if undo else "one person; the stricter permission holds"
    out.print(f"{one} and {other} are {said}.", soft_wrap=True, markup=False)


def _two_people(settings: Settings, engine: sa.Engine, who: str, into: str) -> tuple[str, str]:
    one, other = (_find_person(settings, engine, name) for name in (who, into))
    if one.person_ids & other.person_ids:
        raise BadInputError(
            "Both are one person already.", where=one.main_id, remedy="Give two different people, or use --undo."
        )
    return one.main_id, other.main_id


@person_app.command("requests")
def requests(sources: SourcesOption = None) -> None:
    """Open requests with their due dates, the late ones first; exit code 1 when one is late."""
    from recovery.rights.requests import open_requests

    with _ground(sources) as (_, engine, now):
        found = open_requests(engine)
    late = [row for row in found if row["due_at"] < now]
    for row in found:
        word = "[red]late[/red]" if row in late else "due "
        out.print(f"{word} {row['due_at']:%Y-%m-%d}  {row['kind']}  {row['person_id']}  {row['request_id']}")
    out.print(f"{len(found)} open, {len(late)} late." if found else "No request is open.")
    if late:
        raise typer.Exit(1)


@person_app.command("retention")
def retention(
    apply: Annotated[bool, typer.Option("--apply", help="Remove; without it the command only lists.")] = False,
    sources: SourcesOption = None,
) -> None:
    """List what is older than its retention allows; remove it with --apply."""
    from pipelines.rights.retention import apply_retention, list_expired
    from pipelines.runlock import take_run_lock

    with _ground(sources) as (settings, engine, now):
        expired = list_expired(settings, engine, now=now)
        for item in expired:
            out.print(f"{item.count:>7,}  {item.what}  older than {item.days} days", soft_wrap=True)
        if apply:
            with take_run_lock(settings.var_dir, wait_seconds=0):
                apply_retention(settings, engine, now=now)
    out.print("Removed." if apply else "Nothing was removed; add --apply.")
