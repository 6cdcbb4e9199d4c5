"""The closed algebra that features are written in: each node speaks SQL (DuckDB) and evaluates in Python alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final, Literal

from contracts.words import ActivityKind, Actor, Direction

Value = float | str | None

_DAY_MICROSECONDS: Final = 86_400_000_000
# Kinds that a person's mail program, a mailbox provider or an objection produces: they never end a silence.
_SILENT_KINDS: Final = (
    ActivityKind.OPEN,
    ActivityKind.BOUNCE,
    ActivityKind.DELIVERY,
    ActivityKind.OPT_OUT,
    ActivityKind.COMPLAINT,
)
_SILENT_REPLIES: Final = ("auto_reply", "complaint", "opt_out")


@dataclass(frozen=True, slots=True)
class Activity:
    """One dated thing of a person, as in `marts.fct_activities`; times are naive UTC."""

    occurred_at: datetime
    observed_at: datetime
    kind: str
    direction: str
    actor: str
    outcome_level: int = 0
    reply_class: str | None = None
    is_machine: bool = False

    @property
    def is_inbound(self) -> bool:
        """Whether this is the person's own act and ends a silence."""
        return (
            self.direction == Direction.INBOUND
            and self.actor == Actor.PERSON
            and not self.is_machine
            and self.kind not in _SILENT_KINDS
            and self.reply_class not in _SILENT_REPLIES
        )


@dataclass(frozen=True, slots=True)
class LeadHistory:
    """A described lead.

    Attributes:
        activities: the person's own activities, in any order, also later ones; evaluation cuts them off.
        colleagues: activities of the other people of the same account.
        attributes: stable attributes as known at the as-of date (`feature_attributes.RAW_ATTRIBUTES`).
        dormant_after_days: days without inbound activity that separate two spells.
    """

    activities: tuple[Activity, ...]
    colleagues: tuple[Activity, ...] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)
    dormant_after_days: int = 30


def is_inbound_sql(alias: str = "") -> str:
    """SQL of `Activity.is_inbound` over the columns of an activity."""
    prefix = f"{alias}." if alias else ""
    return (
        f"({prefix}direction = '{Direction.INBOUND}' and {prefix}actor = '{Actor.PERSON}' and not {prefix}is_machine "
        f"and {prefix}kind not in ({_quoted(_SILENT_KINDS)}) "
        f"and coalesce({prefix}reply_class, '') not in ({_quoted(_SILENT_REPLIES)}))"
    )


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


@dataclass(frozen=True, slots=True)
class Where:
    """Which activities count; every given part must hold."""

    inbound: bool = False
    kinds: tuple[str, ...] = ()
    direction: str | None = None
    actors: tuple[str, ...] = ()
    reply_classes: tuple[str, ...] = ()
    min_level: int = 0
    human: bool = False

    def matches(self, activity: Activity) -> bool:
        """Whether one activity counts."""
        return (
            (not self.inbound or activity.is_inbound)
            and (not self.kinds or activity.kind in self.kinds)
            and (self.direction is None or activity.direction == self.direction)
            and (not self.actors or activity.actor in self.actors)
            and (not self.reply_classes or activity.reply_class in self.reply_classes)
            and activity.outcome_level >= self.min_level
            and (not self.human or not activity.is_machine)
        )

    def sql(self) -> str:
        """Condition over alias `a`."""
        parts = []
        if self.inbound:
            parts.append("a.is_inbound")
        for column, values in (("kind", self.kinds), ("actor", self.actors), ("reply_class", self.reply_classes)):
            if values:
                parts.append(f"a.{column} in ({_quoted(values)})")
        if self.direction is not None:
            parts.append(f"a.direction = '{self.direction}'")
        if self.min_level:
            parts.append(f"a.outcome_level >= {self.min_level}")
        if self.human:
            parts.append("not a.is_machine")
        return " and ".join(parts) or "true"


@dataclass(frozen=True, slots=True)
class Window:
    """Stretch of time: `days` long, ending `offset` days before the as-of date or at the last inbound activity.

    Without `days` it is open towards the past (anchor as_of) or reaches from the last inbound activity to the as-of
    date (anchor silence).
    """

    days: int | None = None
    offset: int = 0
    anchor: Literal["as_of", "silence"] = "as_of"

    def holds(self, occurred_at: datetime, *, as_of: datetime, silence: datetime | None) -> bool:
        """Whether a moment lies in the window; false when the window has no anchor."""
        if self.anchor == "silence":
            if silence is None:
                return False
            if self.days is None:
                return occurred_at > silence
            return silence - timedelta(days=self.days) < occurred_at <= silence
        if self.offset and occurred_at >= as_of - timedelta(days=self.offset):
            return False
        return self.days is None or occurred_at >= as_of - timedelta(days=self.days + self.offset)

    def sql(self) -> str:
        """Condition over aliases `a` (activity) and `s` (spine: as_of_at, last_inbound_at)."""
        if self.anchor == "silence":
            if self.days is None:
                return "a.occurred_at > s.last_inbound_at"
            return (
                f"a.occurred_at > s.last_inbound_at - interval {self.days} day and a.occurred_at <= s.last_inbound_at"
            )
        parts = []
        if self.days is not None:
            parts.append(f"a.occurred_at >= s.as_of_at - interval {self.days + self.offset} day")
        if self.offset:
            parts.append(f"a.occurred_at < s.as_of_at - interval {self.offset} day")
        return " and ".join(parts) or "true"


EVER: Final = Window()


@dataclass(frozen=True, slots=True)
class Count:
    """Number of activities in a window; 0 when there are none."""

    where: Where
    window: Window = EVER


@dataclass(frozen=True, slots=True)
class ActiveDays:
    """Number of distinct UTC days with an activity in a window."""

    where: Where
    window: Window = EVER


@dataclass(frozen=True, slots=True)
class DaysSince:
    """Days from the first or last matching activity to the as-of date; null when there is none."""

    where: Where
    which: Literal["first", "last"] = "last"


@dataclass(frozen=True, slots=True)
class Colleagues:
    """The same count over the other people of the account; 0 without an account."""

    count: Count


@dataclass(frozen=True, slots=True)
class Spell:
    """Number of the current silence: 1 + earlier silences of at least `dormant_after_days`."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A derived stable attribute (`feature_attributes.DERIVED`)."""

    name: str


@dataclass(frozen=True, slots=True)
class YearWave:
    """Position in the year as a point on a circle."""

    wave: Literal["sin", "cos"]


@dataclass(frozen=True, slots=True)
class Minus:
    """Difference; null when a part is null."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Ratio:
    """Quotient; null when a part is null or the divisor is 0."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class AtLeast:
    """1 when the part reaches a bound, else 0 (also when null)."""

    part: Expression
    bound: float


Expression = Count | ActiveDays | DaysSince | Colleagues | Spell | Attribute | YearWave | Minus | Ratio | AtLeast
Atom = Count | ActiveDays | DaysSince


def atoms(expression: Expression) -> tuple[Atom, ...]:
    """Aggregates over the person's own activities that an expression needs."""
    if isinstance(expression, (Count, ActiveDays, DaysSince)):
        return (expression,)
    if isinstance(expression, (Minus, Ratio)):
        return atoms(expression.left) + atoms(expression.right)
    if isinstance(expression, AtLeast):
        return atoms(expression.part)
    return ()


def colleague_counts(expression: Expression) -> tuple[Count, ...]:
    """Counts over the whole account that an expression needs."""
    if isinstance(expression, Colleagues):
        return (expression.count,)
    if isinstance(expression, (Minus, Ratio)):
        return colleague_counts(expression.left) + colleague_counts(expression.right)
    if isinstance(expression, AtLeast):
        return colleague_counts(expression.part)
    return ()


def atom_sql(atom: Atom) -> str:
    """Aggregate over aliases `a` (activity) and `s` (spine)."""
    condition = atom.where.sql()
    if isinstance(atom, DaysSince):
        extreme = "max" if atom.which == "last" else "min"
        return f"{extreme}(a.occurred_at) filter (where {condition})"
    inside = " and ".join(part for part in (condition, atom.window.sql()) if part != "true") or "true"
    counted = "*" if isinstance(atom, Count) else "distinct a.occurred_at::date"
    return f"count({counted}) filter (where {inside})"


def days_sql(column: str) -> str:
    """Days from a timestamp column to the spine's as-of moment, exact to the microsecond."""
    return f"(epoch_us(s.as_of_at) - epoch_us({column})) / {_DAY_MICROSECONDS}.0::double"


def expression_sql(expression: Expression, *, own: Mapping[Atom, str], account: Mapping[Count, str]) -> str:
    """Scalar SQL of an expression; `own` names aggregate columns, `account` holds counts over colleagues."""

    def inner(part: Expression) -> str:
        return expression_sql(part, own=own, account=account)

    match expression:
        case Count() | ActiveDays():
            return f"coalesce({own[expression]}, 0)::double"
        case DaysSince():
            return days_sql(own[expression])
        case Colleagues(count):
            return f"({account[count]})::double"
        case Spell():
            return "s.spell::double"
        case Attribute(name):
            return f"s.attr_{name}"
        case YearWave(wave):
            return f"{wave}(2 * pi() * dayofyear(s.as_of_date) / 366.0::double)"
        case Minus(left, right):
            return f"({inner(left)} - {inner(right)})"
        case Ratio(left, right):
            return f"({inner(left)} / nullif({inner(right)}, 0))"
        case AtLeast(part, bound):
            return f"coalesce(({inner(part)} >= {bound})::int, 0)::double"


def wave_value(wave: Literal["sin", "cos"], as_of: date) -> float:
    """Position of a date in the year, -1 to 1."""
    angle = 2 * math.pi * as_of.timetuple().tm_yday / 366.0
    return math.sin(angle) if wave == "sin" else math.cos(angle)


class Evaluator:
    """Evaluates expressions of one lead at one as-of date, with what was observed strictly before it."""

    def __init__(self, lead: LeadHistory, as_of: date, attributes: Mapping[str, Value]) -> None:
        self._as_of = datetime.combine(as_of, time())
        self._own = self._known(lead.activities)
        self._colleagues = self._known(lead.colleagues)
        self._attributes = attributes
        self._gap = timedelta(days=lead.dormant_after_days)
        self._inbound = sorted(a.occurred_at for a in self._own if a.is_inbound)
        self._silence = self._inbound[-1] if self._inbound else None

    def _known(self, activities: Sequence[Activity]) -> list[Activity]:
        return [a for a in activities if a.observed_at < self._as_of and a.occurred_at < self._as_of]

    def value(self, expression: Expression) -> Value:
        """Value of an expression; null is None."""
        match expression:
            case Count(where, window):
                return float(len(self._inside(self._own, where, window)))
            case Colleagues(Count(where, window)):
                return float(len(self._inside(self._colleagues, where, window)))
            case ActiveDays(where, window):
                return float(len({a.occurred_at.date() for a in self._inside(self._own, where, window)}))
            case DaysSince(where, which):
                times = [a.occurred_at for a in self._own if where.matches(a)]
                return self._days(max(times) if which == "last" else min(times)) if times else None
            case Spell():
                pairs = zip(self._inbound, self._inbound[1:], strict=False)
                return 1.0 + sum(later - earlier >= self._gap for earlier, later in pairs)
            case Attribute(name):
                return self._attributes[name]
            case YearWave(wave):
                return wave_value(wave, self._as_of)
            case Minus() | Ratio() | AtLeast():
                return self._arithmetic(expression)

    def _arithmetic(self, expression: Minus | Ratio | AtLeast) -> float | None:
        if isinstance(expression, AtLeast):
            part = self._number(expression.part)
            return float(part is not None and part >= expression.bound)
        left, right = self._number(expression.left), self._number(expression.right)
        if left is None or right is None:
            return None
        if isinstance(expression, Minus):
            return left - right
        return left / right if right != 0 else None

    def _number(self, expression: Expression) -> float | None:
        value = self.value(expression)
        if isinstance(value, str):
            raise TypeError(f"{expression} is a text and cannot be calculated with.")
        return value

    def _inside(self, activities: Sequence[Activity], where: Where, window: Window) -> list[Activity]:
        return [
            a
            for a in activities
            if where.matches(a) and window.holds(a.occurred_at, as_of=self._as_of, silence=self._silence)
        ]

    def _days(self, moment: datetime) -> float:
        return ((self._as_of - moment) // timedelta(microseconds=1)) / float(_DAY_MICROSECONDS)
