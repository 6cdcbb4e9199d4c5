"""Frequency caps as pure arithmetic on moments."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from contracts.errors import SettingError
from contracts.words import Channel

Scope = Literal["person", "account", "address"]
_SCOPES: Final[tuple[Scope, ...]] = ("person", "account", "address")
_FORM: Final = re.compile(r"(?P<most>\d+)/(?P<number>\d+)(?P<unit>[dh])")


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` contacts of one unit in any stretch of `within`; a `most` of 0 lets nothing through.

    Attributes:
        name: setting or rule that says so.
        scope: whose contacts are counted together.
        channels: which contacts count and are bound; empty = every channel.
        most: greatest number allowed.
        within: length of the stretch; two contacts exactly so far apart are in no common one.
    """

    name: str
    scope: Scope
    channels: frozenset[str]
    most: int
    within: timedelta

    def binds(self, channel: str) -> bool:
        """Whether contacts of a channel count."""
        return not self.channels or channel in self.channels


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact that was made, or may have been: unknown outcomes count.

    Attributes:
        at: when.
        channel: value of `Channel`.
        units: id by scope; a scope that is absent is not known and not counted.
    """

    at: datetime
    channel: str
    units: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A contact that somebody wants to make.

    Attributes:
        id: of the touch.
        at: when.
        channel: value of `Channel`.
        units: as in `Contact`.
        priority: smallest first; equal ones go by time, then id.
        caps: caps that bind it beside those of the house, such as a state's.
    """

    id: str
    at: datetime
    channel: str
    units: Mapping[str, str]
    priority: float
    caps: tuple[Cap, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A cap that leaves no room.

    Attributes:
        cap: which one.
        free_at: first moment at which there is room, given what was admitted; None = never.
    """

    cap: Cap
    free_at: datetime | None


def admit(proposals: Iterable[Proposal], past: Iterable[Contact], caps: tuple[Cap, ...]) -> dict[str, Hit | None]:
    """For each proposal None, or the cap that leaves no room for it.

    The best proposals are admitted first, whoever asked first; what is admitted counts against the rest. The answer
    depends on the sets alone, never on their order.

    Args:
        proposals: to decide together; ids are unique.
        past: contacts made before, and those in flight.
        caps: the house's, binding every proposal.
    """
    lines: _Lines = {}
    for contact in past:
        _note(lines, contact.units, contact.channel, contact.at)
    answers: dict[str, Hit | None] = {}
    for proposal in sorted(proposals, key=lambda p: (p.priority, p.at, p.id)):
        hit = _first_hit(proposal, lines, caps)
        answers[proposal.id] = hit
        if hit is None:
            _note(lines, proposal.units, proposal.channel, proposal.at)
    return answers


def room(proposals: Iterable[Proposal], past: Iterable[Contact], caps: tuple[Cap, ...]) -> dict[str, Hit | None]:
    """As `admit`, but each proposal by itself: none takes room from another."""
    lines: _Lines = {}
    for contact in past:
        _note(lines, contact.units, contact.channel, contact.at)
    return {proposal.id: _first_hit(proposal, lines, caps) for proposal in proposals}


# What was admitted so far: moments and channels by scope and unit, in order of time.
_Lines = dict[tuple[str, str], list[tuple[datetime, str]]]


def _note(lines: _Lines, units: Mapping[str, str], channel: str, at: datetime) -> None:
    for unit in units.items():
        insort(lines.setdefault(unit, []), (at, channel))


def _first_hit(proposal: Proposal, lines: _Lines, caps: tuple[Cap, ...]) -> Hit | None:
    for cap in (*caps, *proposal.caps):
        unit = proposal.units.get(cap.scope)
        if unit is None or not cap.binds(proposal.channel):
            continue
        known = lines.get((cap.scope, unit), ())
        if len(known) < cap.most:
            continue
        times = [at for at, channel in known if cap.binds(channel)]
        if _is_full(times, proposal.at, cap):
            return Hit(cap, _free_at(times, proposal.at, cap))
    return None


def _is_full(times: list[datetime], at: datetime, cap: Cap) -> bool:
    """Whether one more at `at` puts more than `most` into some stretch of `within`."""
    near = sorted([*(moment for moment in times if abs(moment - at) < cap.within), at])
    return any(later - earlier < cap.within for earlier, later in zip(near, near[cap.most :], strict=False))


def _free_at(times: list[datetime], at: datetime, cap: Cap) -> datetime | None:
    if cap.most == 0:
        return None
    ends = sorted(moment + cap.within for moment in times)
    return next((end for end in ends if end > at and not _is_full(times, end, cap)), None)


def parse_caps(texts: Mapping[str, str]) -> tuple[Cap, ...]:
    """Caps from settings such as `{"person": "3/30d", "person.email": "2/14d", "account": "6/14d"}`.

    Raises:
        SettingError: an unknown scope or channel, or a malformed number.
    """
    caps = []
    for name, text in sorted(texts.items()):
        scope, _, channel = name.partition(".")
        form = _FORM.fullmatch(text.replace(" ", ""))
        if scope not in _SCOPES or (channel and channel not in [c.value for c in Channel]) or form is None:
            raise SettingError(
                f"'{name}': '{text}' is no frequency cap.",
                where="RECOVERY_FREQUENCY_CAPS",
                remedy='Write for example {"person.email": "2/14d"}: scope person, account or address, then a channel.',
            )
        number = int(form["number"])
        within = timedelta(days=number) if form["unit"] == "d" else timedelta(hours=number)
        kind = next(known for known in _SCOPES if known == scope)
        caps.append(Cap(name, kind, frozenset([channel] if channel else []), int(form["most"]), within))
    return tuple(caps)
