"""Requests and answers of the API. Unknown fields, NaN and infinity are refused; times carry their offset."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.words import ActivityKind, Actor, Direction

MOST_ACTIVITIES: Final = 2_000
MOST_IN_BULK: Final = 10_000
MOST_EVENTS: Final = 500
MOST_TEXT: Final = 200
# Outside of it offsets and windows leave the calendar.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Moment = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
PersonId = Annotated[str, Field(min_length=1, max_length=64, description="person_id of the engine")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Act(_Strict):
    occurred_at: Moment
    kind: ActivityKind
    direction: Direction
    actor: Actor | None = Field(None, description="default: the person for inbound, a rep for everything else")
    outcome_level: Annotated[int, Field(ge=0, le=4)] = 0
    reply_class: Text | None = None
    is_machine: bool = False

    @property
    def who(self) -> Actor:
        """Whose act it is."""
        return self.actor or (Actor.PERSON if self.direction is Direction.INBOUND else Actor.REP)


class ActivityIn(_Act):
    """One dated thing of a person, in the words of `marts.fct_activities`."""

    observed_at: Moment | None = Field(None, description="when it was known; default: when it occurred")


class EventIn(_Act):
    """One new activity of a known person; it is known from the moment in which it is stored."""

    reply_class: Literal["auto_reply"] | None = Field(None, description="auto_reply: no human wrote it")
    event_id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="the same for the same event of a person, however often it is told; default: its content"
    )

    @model_validator(mode="after")
    def _no_refusal(self) -> Self:
        if self.kind in (ActivityKind.OPT_OUT, ActivityKind.COMPLAINT):
            raise ValueError(
                f"{self.kind.value} is not told here, where it would stop nothing: send it to the feedback webhook"
            )
        return self


class AttributesIn(_Strict):
    """Stable attributes; what is absent is unknown."""

    created_at: Moment | None = None
    job_title: Text | None = None
    industry: Text | None = None
    employee_count: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")] | None = Field(None, description="ISO 3166 alpha-2")
    lead_source: Text | None = None
    is_free_mail: bool | None = None
    has_phone: bool | None = None
    has_account: bool | None = None
    crm: Text | None = None

    def raw(self) -> dict[str, Any]:
        """As the feature declarations read them: naive UTC and lower-case countries."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        if self.created_at is not None:
            values["created_at"] = naive(self.created_at)
        if self.country is not None:
            values["country"] = self.country.upper()
        return values


class LeadIn(_Strict):
    """A lead described by its attributes and activities."""

    ref: Annotated[str, Field(max_length=64)] | None = Field(None, description="comes back in the answer")
    attributes: AttributesIn = AttributesIn()
    activities: Annotated[list[ActivityIn], Field(max_length=MOST_ACTIVITIES)] = []
    colleagues: Annotated[list[ActivityIn], Field(max_length=MOST_ACTIVITIES)] = Field(
        [], description="activities of the other people of the same account"
    )
    dormant_after_days: Annotated[int, Field(ge=1, le=3650)] = 30


class ScoreRequest(_Strict):
    """Either a known person or a described lead."""

    person_id: PersonId | None = None
    lead: LeadIn | None = None
    as_of_date: date | None = Field(
        None, description="only what was observed before its 00:00 UTC counts; default: tomorrow, so that all counts"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.person_id is None) == (self.lead is None):
            raise ValueError("give either person_id or lead")
        if self.person_id is not None and self.as_of_date is not None:
            raise ValueError("as_of_date goes with a described lead; a known person has the newest published score")
        return self


class BulkRequest(_Strict):
    """Up to 10,000 known people, or described leads, in one request."""

    person_ids: Annotated[list[PersonId], Field(max_length=MOST_IN_BULK)] = []
    leads: Annotated[list[LeadIn], Field(max_length=MOST_IN_BULK)] = []
    as_of_date: date | None = None

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if not 1 <= len(self.person_ids) + len(self.leads) <= MOST_IN_BULK:
            raise ValueError(f"give between 1 and {MOST_IN_BULK} people and leads")
        return self


class EventsRequest(_Strict):
    """New activities of a known person."""

    person_id: PersonId
    activities: Annotated[list[EventIn], Field(min_length=1, max_length=MOST_EVENTS)]


class ReasonOut(BaseModel):
    """Why: words, and points up or down."""

    code: str
    words: str
    points: float
    value: str | None


class ModelOut(BaseModel):
    """Which model answered."""

    name: str
    version: str | None


class ModelInfoOut(BaseModel):
    """The champion: what it is, since when it answers, and what it was measured to be on rows it had not seen."""

    name: str
    version: str
    recipe: str
    fingerprint: str
    sha256: str
    bytes: int
    anchor: float
    anchor_version: int
    definition_version: str
    horizon_days: int
    live_since: date
    metrics: dict[str, float]
    loaded_at: datetime
    as_of_date: str
    scores: dict[str, Any]
    faults: dict[str, str]


class ScoreOut(BaseModel):
    """A score. `p` is the chance of coming back within the horizon, handled as usual; 50 points are average."""

    person_id: str | None = None
    ref: str | None = None
    points: int
    p: float
    percent: float
    times_average: float
    percentile: float | None
    tier: Literal["high", "medium", "low"]
    score_kind: Literal["model", "rules"]
    reasons: list[ReasonOut]
    model: ModelOut
    as_of_date: date
    anchor: float
    origin: Literal["published", "described", "rescored"]
    warnings: list[str] = []


class TrendOut(BaseModel):
    """The score of an earlier day; points of rules and of a model do not compare."""

    as_of_date: date
    points: int
    p: float
    score_kind: Literal["model", "rules"]


class ChanceOut(BaseModel):
    """Chance of coming back, handled as usual.

    `low` and `high` hold what 95 % intervals allow for people with such a score, by what happened on the model's test
    dates; null where no model with such a record answers. Days are those of people who come back at all.
    """

    p: float
    horizon_days: int | None
    low: float | None
    high: float | None
    p_return_30d: float | None
    p_return_60d: float | None
    p_return_90d: float | None
    median_days_if_returning: float | None


class ValueOut(BaseModel):
    """Expected value of a win-back, deal currency of the reports, with its interval."""

    expected: float
    low: float | None
    high: float | None


class BestOut(BaseModel):
    """Best channel among those that the plan allows, by the share who answer, and the best hour of its touches."""

    channel: str | None
    answers: dict[str, float]
    weekday: int | None
    hour: int | None
    hour_rate: float | None
    hour_basis: str | None
    hour_reason: str | None


class ContactOut(BaseModel):
    """What the plan of the day decided, channel by channel, and what would unlock it."""

    decision: str
    channel: str | None
    reason: str | None
    unlock: str | None
    not_before: str | None
    expires_at: str | None
    channels: dict[str, str]


class InsightsOut(BaseModel):
    """Everything that is published about a person; what the day did not publish is null."""

    score: ScoreOut
    trend: list[TrendOut]
    chance: ChanceOut
    value: ValueOut | None
    best: BestOut | None
    contact: ContactOut | None
    next_step: str


class EventsOut(BaseModel):
    """What became of told activities: how many are new, and the score that knows of them, or why there is none."""

    new: int
    repeated: int
    score: ScoreOut | None
    unscored_reason: str | None


class ProblemOut(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    remedy: str | None = None


def naive(moment: datetime) -> datetime:
    """Naive UTC of an aware moment."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def time_limit(now: datetime) -> datetime:
    """What lies after it lies in the future: clocks differ, so five minutes are granted."""
    return now + timedelta(minutes=5)


def faults_of_time(lead: LeadIn, now: datetime) -> str | None:
    """What is wrong with the times of a described lead; None when nothing is (aware UTC)."""
    latest = time_limit(now)
    for name, activities in (("activities", lead.activities), ("colleagues", lead.colleagues)):
        for place, one in enumerate(activities):
            if one.occurred_at > latest or (one.observed_at is not None and one.observed_at > latest):
                return f"{name}[{place}] lies in the future"
    if lead.attributes.created_at is not None and lead.attributes.created_at > latest:
        return "attributes.created_at lies in the future"
    return None
