"""Schema of the rule files: what a rule is, from when to when it holds, and how its source was read."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from contracts.words import Basis
from recovery.permission.facts import Recipient
from recovery.permission.hours import Hours, Span

CHANNELS: Final = ("email", "sms", "call", "audience")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# How the source was read: quoted from the primary text, secondary, vendor document, known but not verified.
HowRead = Literal["Q", "S", "V", "K"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Dated(_Strict):
    """Something that holds from one day to another."""

    valid_from: date
    valid_to: date | None = None
    how_read: HowRead

    def is_in_force(self, day: date) -> bool:
        """First day included, last day excluded."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class Ground(_Strict):
    """One way to be allowed: a fact of one of the bases that meets every condition.

    Attributes:
        basis: kinds of facts that count.
        within_months, within_days: the fact must not be older; None = no limit.
        recipient: least kind of address holder.
        content: `job_related` holds only for such words.
        needs_collection_facts: collected during a sale or negotiation, and an opt-out was offered then.
        needs_full_record: see `Fact.has_full_record`.
    """

    basis: frozenset[Basis]
    within_months: int | None = Field(None, ge=1)
    within_days: int | None = Field(None, ge=1)
    recipient: Literal["any", "work", "corporate"] = "any"
    content: Literal["any", "job_related"] = "any"
    needs_collection_facts: bool = False
    needs_full_record: bool = False

    @property
    def has_term(self) -> bool:
        """Whether the ground ends some time after the fact."""
        return self.within_months is not None or self.within_days is not None

    @property
    def least_recipient(self) -> Recipient:
        """The recipient condition as an ordered value."""
        return {"any": Recipient.UNKNOWN, "work": Recipient.WORK, "corporate": Recipient.CORPORATE}[self.recipient]


class ChannelRule(_Strict):
    """Rule of one channel: any ground suffices."""

    rule: str = Field(pattern=r"^[a-z_.*]+$")
    regime: Literal["opt_out", "opt_in", "mixed"]
    words: str = Field(min_length=1)
    cites: tuple[str, ...] = Field(min_length=1)
    grounds: tuple[Ground, ...] = Field(min_length=1)


class Pack(_Dated):
    """Rules of some countries for a stretch of time.

    `may_return_after_not_now`: whoever says "not now" may be written to again after that date.
    """

    countries: tuple[str, ...] = Field(min_length=1)
    name: str
    read_on: date
    may_return_after_not_now: bool = False
    email: ChannelRule
    sms: ChannelRule
    call: ChannelRule
    audience: ChannelRule


class LegalCap(_Strict):
    """At most `most` contacts in any stretch of `within_hours`."""

    most: int = Field(ge=0)
    within_hours: int = Field(ge=1)
    is_same_subject: bool = False


def week_of(days: Any) -> tuple[Span | None, ...]:
    """Spans for Monday to Sunday from `{mon-fri: "09:00-20:00", sat: "10:00-19:00"}`; days not named are closed.

    Raises:
        ValueError: an unknown day, a malformed span or an empty one.
    """
    week: list[Span | None] = [None] * 7
    for names, span in dict(days).items():
        first, _, last = names.partition("-")
        opens, _, closes = span.partition("-")
        begin, end = _minutes(opens), _minutes(closes)
        if begin >= end:
            raise ValueError(f"the hours {span} are empty")
        for day in range(_DAYS.index(first), _DAYS.index(last or first) + 1):
            week[day] = (begin, end)
    return tuple(week)


def _minutes(text: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    if not (0 <= hour <= 24 and 0 <= minute <= 59 and hour * 60 + minute <= 24 * 60):
        raise ValueError(f"{text} is no time of day")
    return hour * 60 + minute


class PlaceRule(_Dated):
    """One rule of a place: opening hours with holidays, a frequency, or a bar until something is recorded."""

    rule: str = Field(pattern=r"^[a-z_.]+$")
    place: str = Field(pattern=r"^(\*|[A-Z]{2}(-([A-Z]{2}|\?))?)$")
    channels: frozenset[Literal["email", "sms", "call", "audience"]] = Field(min_length=1)
    words: str = Field(min_length=1)
    cites: tuple[str, ...] = Field(min_length=1)
    hours: Annotated[tuple[Span | None, ...], BeforeValidator(week_of)] | None = None
    holidays: frozenset[str] = frozenset()
    cap: LegalCap | None = None
    unless_recorded: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.hours is not None) + (self.cap is not None) + bool(self.unless_recorded) != 1:
            raise ValueError("a rule of a place has hours, a cap or unless_recorded, and only one of them")
        if self.holidays and self.hours is None:
            raise ValueError("holidays belong to hours")
        return self

    @property
    def opening(self) -> Hours | None:
        """The rule's hours, or None when it is of another kind."""
        return None if self.hours is None else Hours(self.hours, self.holidays)


class PlaceRules(_Strict):
    """A file of rules of places, all read on one day."""

    read_on: date
    rules: tuple[PlaceRule, ...]
