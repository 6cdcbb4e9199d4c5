"""The short way from bytes to described leads: what is plainly well-formed is read in one go.

It takes only what the schemas would take, with the same meaning, and gives up on everything else; the long way
(`serving.api.parsing`) then reads the same bytes, takes what this one was too strict for, and tells what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from contracts.words import ActivityKind, Actor, Direction
from models.feature_batch import ActivityTable, bits_of, pack_table
from models.scoring.compiled import AVAILABLE, compiled
from serving.api.leads import Leads, micros_of
from serving.api.schemas import EARLIEST, LATEST, MOST_ACTIVITIES, MOST_IN_BULK, MOST_TEXT, time_limit

_Text = Annotated[str, Meta(max_length=MOST_TEXT)]
_Moment = Annotated[datetime, Meta(tz=True)]
_PersonId = Annotated[str, Meta(min_length=1, max_length=64)]


class _Act(Struct, forbid_unknown_fields=True, gc=False):
    occurred_at: _Moment
    kind: ActivityKind
    direction: Direction
    actor: Actor | UnsetType | None = UNSET
    outcome_level: Annotated[int, Meta(ge=0, le=4)] | UnsetType = UNSET
    reply_class: _Text | UnsetType | None = UNSET
    is_machine: bool | UnsetType = UNSET
    observed_at: _Moment | UnsetType | None = UNSET


class _Attributes(Struct, forbid_unknown_fields=True, gc=False):
    created_at: _Moment | UnsetType | None = UNSET
    job_title: _Text | UnsetType | None = UNSET
    industry: _Text | UnsetType | None = UNSET
    employee_count: Annotated[int, Meta(ge=0, le=10000000)] | UnsetType | None = UNSET
    country: Annotated[str, Meta(pattern=r"^[A-Za-z]{2}\Z")] | UnsetType | None = UNSET
    lead_source: _Text | UnsetType | None = UNSET
    is_free_mail: bool | UnsetType | None = UNSET
    has_phone: bool | UnsetType | None = UNSET
    has_account: bool | UnsetType | None = UNSET
    crm: _Text | UnsetType | None = UNSET


_Acts = Annotated[list[_Act], Meta(max_length=MOST_ACTIVITIES)]


class _Lead(Struct, forbid_unknown_fields=True, gc=False):
    ref: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    attributes: _Attributes | UnsetType = UNSET
    activities: _Acts | UnsetType = UNSET
    colleagues: _Acts | UnsetType = UNSET
    dormant_after_days: Annotated[int, Meta(ge=1, le=3650)] | UnsetType = UNSET


class _Score(Struct, forbid_unknown_fields=True, gc=False):
    lead: _Lead
    as_of_date: date | UnsetType | None = UNSET


class _Bulk(Struct, forbid_unknown_fields=True, gc=False):
    person_ids: Annotated[list[_PersonId], Meta(max_length=MOST_IN_BULK)] | UnsetType = UNSET
    leads: Annotated[list[msgspec.Raw], Meta(max_length=MOST_IN_BULK)] | UnsetType = UNSET
    as_of_date: date | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class Asked:
    """A bulk request that was read.

    Attributes:
        person_ids: known people, in order.
        leads: described leads, some at a time, in order.
        as_of: the date that the request names.
    """

    person_ids: Sequence[str]
    leads: Sequence[Leads]
    as_of: date | None


@dataclass(frozen=True, slots=True)
class Plain:
    """A described lead that was read.

    Attributes:
        lead: as the decoder gives it.
        as_of: the date that the request names.
        names: that stand in the lead, or a few more.
    """

    lead: _Lead
    as_of: date | None
    names: int


_SCORE: Final = msgspec.json.Decoder(_Score)
_BULK: Final = msgspec.json.Decoder(_Bulk)
_LEAD: Final = msgspec.json.Decoder(_Lead)
_EARLIEST: Final = micros_of(EARLIEST)
_LATEST: Final = micros_of(LATEST)
_ODD: Final = re.compile(rb'"\s+:|\.\d{7}')
_QUOTE, _COLON, _POINT, _ZERO, _NINE, _SPACE = (np.uint8(ord(one)) for one in '":.09 ')
T = TypeVar("T", bound=Struct)


class _GivenUp(Exception):  # noqa: N818 - the long way takes over; nothing is wrong yet
    """The request is not plain."""


def read_score(body: bytes) -> Plain | None:
    """One described lead, its times not yet checked; None when the request is anything else, or not plain."""
    try:
        names = _names_of(body)
        asked = _decoded(_SCORE, body)
    except _GivenUp:
        return None
    return Plain(asked.lead, asked.as_of_date or None, names - 1 - (asked.as_of_date is not UNSET))


def columns_of(asked: Sequence[Plain], now: datetime) -> Leads | None:
    """Leads of several requests as columns; None when one of them is not plain.

    Args:
        asked: as read.
        now: aware UTC; nothing may lie after it.
    """
    try:
        leads, counted = _columns([one.lead for one in asked], now)
    except _GivenUp:
        return None
    # Of a name that stands twice the decoder takes the last one: the names that it took must be all that there are.
    # No request has fewer names than it took, so that what holds for their sum holds for each.
    return leads if sum(one.names for one in asked) == counted else None


def read_bulk(body: bytes, now: datetime, *, at_once: int) -> Asked | None:
    """People and leads, the leads in groups of at most `at_once`; None when the request is not plain."""
    try:
        names = _names_of(body)
        asked = _decoded(_BULK, body)
        person_ids, described = asked.person_ids or [], asked.leads or []
        if not 1 <= len(person_ids) + len(described) <= MOST_IN_BULK:
            return None
        groups = [described[at : at + at_once] for at in range(0, len(described), at_once)]
        made = [_columns([_decoded(_LEAD, raw) for raw in group], now) for group in groups]
    except _GivenUp:
        return None
    # A name that stands twice: see `columns_of`.
    counted = sum(count for _, count in made) + sum(one is not UNSET for one in msgspec.structs.astuple(asked))
    return Asked(person_ids, [leads for leads, _ in made], asked.as_of_date or None) if names == counted else None


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _GivenUp from None


def _columns(leads: Sequence[_Lead], now: datetime) -> tuple[Leads, int]:
    """The leads as columns, and how many names they hold."""
    latest = micros_of(time_limit(now))
    own, counted = _table([() if lead.activities is UNSET else lead.activities for lead in leads], latest)
    colleagues = None
    if any(lead.colleagues for lead in leads):
        colleagues, more = _table([lead.colleagues or () for lead in leads], latest)
        counted += more
    attributes = []
    for lead in leads:
        counted += (
            (lead.ref is not UNSET)
            + (lead.attributes is not UNSET)
            + (lead.activities is not UNSET)
            + (lead.colleagues is not UNSET)
            + (lead.dormant_after_days is not UNSET)
        )
        raw, more = _raw(lead.attributes, latest)
        attributes.append(raw)
        counted += more
    days = [30 if lead.dormant_after_days is UNSET else lead.dormant_after_days for lead in leads]
    refs = [None if lead.ref is UNSET else lead.ref for lead in leads]
    return Leads(refs, attributes, own, colleagues, np.array(days, np.int64)), counted


def _raw(given: _Attributes | UnsetType, latest: int) -> tuple[dict[str, Any], int]:
    """Attributes as the feature declarations read them, and how many are stated."""
    if given is UNSET:
        return dict.fromkeys(_Attributes.__struct_fields__), 0
    values = msgspec.structs.asdict(given)
    counted = len(values)
    for name, value in values.items():
        if value is UNSET:
            values[name] = None
            counted -= 1
    if (created := values["created_at"]) is not None:
        _micros([created.timestamp()], latest)
        values["created_at"] = created.astimezone(UTC).replace(tzinfo=None)
    if values["country"] is not None:
        values["country"] = values["country"].upper()
    return values, counted


def _table(groups: Sequence[Sequence[_Act]], latest: int) -> tuple[ActivityTable, int]:
    every = groups[0] if len(groups) == 1 else [one for group in groups for one in group]
    told = [
        _act(one.kind, one.direction, one.actor, one.outcome_level, one.reply_class, one.is_machine) for one in every
    ]
    occurred = observed = _micros([one.occurred_at.timestamp() for one in every], latest)
    counted = sum([count for _, count in told])
    later = [(place, one.observed_at) for place, one in enumerate(every) if one.observed_at is not UNSET]
    if later:
        counted += len(later)
        observed = occurred.copy()
        known = [(place, moment.timestamp()) for place, moment in later if moment is not None]
        observed[[place for place, _ in known]] = _micros([stamp for _, stamp in known], latest)
    return pack_table([len(group) for group in groups], occurred, observed, [bits for bits, _ in told]), counted


@lru_cache(maxsize=65_536)
def _act(kind: Any, direction: Any, actor: Any, level: Any, reply: Any, machine: Any) -> tuple[int, int]:
    """Bits of an activity (`bits_of`), and how many names it states beside `observed_at`."""
    stated = 3 + sum(one is not UNSET for one in (actor, level, reply, machine))
    who = actor or (Actor.PERSON if direction is Direction.INBOUND else Actor.REP)
    bits = bits_of(kind, direction, who, level or 0, None if reply is UNSET else reply, bool(machine))
    return bits, stated


def _micros(stamps: list[float], latest: int) -> NDArray[np.int64]:
    """Microseconds of time stamps; gives up on those outside of the calendar and in the future."""
    if stamps and not (min(stamps) >= _EARLIEST / 1e6 and max(stamps) <= min(latest, _LATEST) / 1e6):
        raise _GivenUp
    # A time stamp is the nearest double: until 2106 it lies within a quarter of a microsecond, so rounding is exact.
    return np.rint(np.array(stamps) * 1e6).astype(np.int64)


def _names_of(body: bytes) -> int:
    """Names of the objects of a body, or a few more; gives up on what the decoder reads otherwise than the schemas.

    That is a seventh digit of a second, which one rounds and the other cuts off. Space before a colon hides a name.
    """
    if not AVAILABLE:
        if _ODD.search(body):
            raise _GivenUp
        return body.count(b'":')
    names = int(scanned(np.frombuffer(body, np.uint8)))
    if names < 0:
        raise _GivenUp
    return names


@compiled
def scanned(body: Any) -> int:
    """How often a quote and a colon follow each other; -1 for space between them, or a point and seven digits."""
    names, digits, quoted = 0, -1, 0  # quoted: 1 after a quote, 2 after a quote and space
    for at in range(body.size):
        one = body[at]
        if one == _COLON and quoted > 0:
            if quoted == 2:
                return -1
            names += 1
        quoted = 1 if one == _QUOTE else 2 if quoted > 0 and one <= _SPACE else 0
        if one == _POINT:
            digits = 0
        elif digits >= 0:
            digits = digits + 1 if _ZERO <= one <= _NINE else -1
            if digits == 7:
                return -1
    return names
