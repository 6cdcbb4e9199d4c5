"""`recovery explain`: why somebody may or may not be contacted, now or at any past moment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from cli.console import out
from cli.workspace import find_workspace
from contracts.errors import BadInputError
from contracts.words import Channel

if TYPE_CHECKING:
    from pipelines.campaigns.explaining import PersonTold

_OPEN_END: Final = datetime.max.replace(tzinfo=UTC)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain")(explain)


def explain(
    person: Annotated[
        str, typer.Argument(help="Person id, touch id, CRM record (source:object:id), e-mail address or +number.")
    ],
    at: Annotated[str | None, typer.Option("--at", help="Moment, such as 2026-06-01T15:00; UTC. Default: now.")] = None,
    channel: Annotated[Channel | None, typer.Option("--channel", help="Only this channel.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    show_address: Annotated[bool, typer.Option("--show-address", help="Tell the addresses too.")] = False,
    sources: Annotated[Path | None, typer.Option("--sources", help="sources.yml; default: the configured one.")] = None,
) -> None:
    """Decide again, under the rules and the permission known then, and say why in words."""
    from pipelines.campaigns.explaining import explain_person

    engine = find_workspace(sources).engine
    moment = _moment(at) if at else engine.now().astimezone(UTC)
    told = explain_person(engine, person, at=moment, channel=channel, show_address=show_address)
    if as_json:
        typer.echo(orjson.dumps(_content(told), option=orjson.OPT_INDENT_2).decode())
        return
    for line in _lines(told):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(
            f"'{text}' is no moment.", where="--at", remedy="Write for example 2026-06-01 or 2026-06-01T15:00+02:00."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _lines(told: PersonTold) -> list[str]:
    merged = f", merged with {', '.join(told.also)}" if told.also else ""
    lines = [f"Person {told.person_id}{merged}", f"Moment: {told.at:%A, %d %B %Y, %H:%M} UTC"]
    lines += [f"Known {words}" for words in told.basis]
    lines += [f"Address: {address}" for address in told.addresses]
    for one in told.channels:
        lines += ["", one.answer, *(f"  - {sentence}" for sentence in one.because)]
    lines += ["", _reach(told)]
    if told.touches:
        lines += ["", "Touches, each decided again at its own moment:"]
    for touch in told.touches:
        reason = f" ({touch.reason})" if touch.reason else ""
        lines.append(f"  {touch.at:%d %B %Y, %H:%M} UTC, {touch.touch_id}: {touch.state}{reason}. {touch.told.answer}")
        if touch.note:
            lines.append(f"    {touch.note}")
    return [*lines, "", f"Rules {told.rules_sha256[:12]}. Not legal advice."]


def _reach(told: PersonTold) -> str:
    """Until when each channel can be used, as things stand; a channel that is refused has its reason above."""
    ends = {channel: end for channel, end in told.reach.items() if end is not None}
    if not ends:
        return "Reachable through no channel."
    until = {c: "without an end" if end == _OPEN_END else f"until {end:%d %B %Y}" for c, end in ends.items()}
    words = (f"{channel.value} {end}" for channel, end in until.items())
    return f"Reachable, unless something changes: {', '.join(words)}."


def _end(end: datetime | None) -> str | None:
    if end is None:
        return None
    return "open" if end == _OPEN_END else end.isoformat()


def _content(told: PersonTold) -> dict[str, Any]:
    from recovery.permission.telling import as_json

    return {
        "person_id": told.person_id,
        "merged_with": list(told.also),
        "at": told.at.isoformat(),
        "known": list(told.basis),
        "addresses": list(told.addresses),
        "reachable_until": {channel.value: _end(end) for channel, end in told.reach.items()},
        "channels": [as_json(one) for one in told.channels],
        "touches": [
            {
                "touch_id": touch.touch_id,
                "batch_id": touch.batch_id,
                "state": touch.state,
                "reason": touch.reason,
                "at": touch.at.isoformat(),
                "note": touch.note,
                **as_json(touch.told),
            }
            for touch in told.touches
        ],
        "rules": told.rules_sha256,
    }
