"""Features of a dormant lead, each declared once.

A declaration names the exact aggregate; `models.feature_codegen` turns it into the dbt macro and `evaluate` computes
it for a described lead. No feature reads a mutable or latest-only attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from contracts.words import ActivityKind, Actor, Direction
from models.feature_algebra import (
    EVER,
    ActiveDays,
    AtLeast,
    Attribute,
    Colleagues,
    Count,
    DaysSince,
    Evaluator,
    Expression,
    LeadHistory,
    Minus,
    Ratio,
    Spell,
    Value,
    Where,
    Window,
    YearWave,
)
from models.feature_attributes import derive

Kind = Literal["number", "flag", "category", "text"]
Group = Literal["recency", "frequency", "trend", "channel", "stage", "firmographics", "spell", "exposure", "calendar"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature.

    Attributes:
        name: column in `marts.lead_snapshots`; carries its window, as in `replies_last_90d`.
        kind: number (float, null = unknown), flag (0/1), category (text, null = unknown) or text (free words).
        group: theme; `exposure` is what our people and machines sent.
        description: what one value means, with unit.
        words: sentence for a salesperson, formatted with `value`, e.g. "no reply for {value:.0f} days".
        aggregate: exact definition; None only for columns that are made outside the warehouse.
    """

    name: str
    kind: Kind
    group: Group
    description: str
    words: str
    aggregate: Expression | None = None


INBOUND: Final = Where(inbound=True)
RESPONSE: Final = Where(inbound=True, min_level=2)
REPLY: Final = Where(inbound=True, kinds=(ActivityKind.EMAIL, ActivityKind.SMS, ActivityKind.CHAT))
EMAIL_REPLY: Final = Where(inbound=True, kinds=(ActivityKind.EMAIL,))
CLICK: Final = Where(inbound=True, kinds=(ActivityKind.CLICK,))
PAGE_VIEW: Final = Where(inbound=True, kinds=(ActivityKind.PAGE_VIEW,))
FORM: Final = Where(inbound=True, kinds=(ActivityKind.FORM,))
MEETING: Final = Where(inbound=True, kinds=(ActivityKind.MEETING,))
WEB: Final = Where(inbound=True, kinds=(ActivityKind.CLICK, ActivityKind.PAGE_VIEW, ActivityKind.FORM))
TALK: Final = Where(inbound=True, kinds=(ActivityKind.CALL, ActivityKind.MEETING))
OPEN: Final = Where(kinds=(ActivityKind.OPEN,), human=True)
REFUSAL: Final = Where(
    kinds=(ActivityKind.EMAIL, ActivityKind.SMS, ActivityKind.CHAT),
    direction=Direction.INBOUND,
    reply_classes=("refusal",),
)
AUTO_REPLY: Final = Where(
    kinds=(ActivityKind.EMAIL, ActivityKind.SMS, ActivityKind.CHAT),
    direction=Direction.INBOUND,
    reply_classes=("auto_reply",),
)
DEAL: Final = Where(kinds=(ActivityKind.DEAL,))
WON: Final = Where(kinds=(ActivityKind.WON, ActivityKind.PURCHASE))
CONTACT_KINDS: Final = (
    ActivityKind.EMAIL,
    ActivityKind.SMS,
    ActivityKind.CALL,
    ActivityKind.MEETING,
    ActivityKind.CHAT,
)
OUTBOUND: Final = Where(kinds=CONTACT_KINDS, direction=Direction.OUTBOUND)
OUT_EMAIL: Final = Where(kinds=(ActivityKind.EMAIL,), direction=Direction.OUTBOUND)
OUT_REP: Final = Where(kinds=CONTACT_KINDS, direction=Direction.OUTBOUND, actors=(Actor.REP,))
OUT_ENGINE: Final = Where(kinds=CONTACT_KINDS, direction=Direction.OUTBOUND, actors=(Actor.ENGINE,))
OUT_MACHINE: Final = Where(kinds=CONTACT_KINDS, direction=Direction.OUTBOUND, actors=(Actor.OTHER_AUTOMATION,))
BOUNCE: Final = Where(kinds=(ActivityKind.BOUNCE,))

BEFORE_30: Final = Window(30, anchor="silence")
BEFORE_90: Final = Window(90, anchor="silence")
SINCE_SILENCE: Final = Window(anchor="silence")
LAST_7: Final = Window(7)
LAST_30: Final = Window(30)
LAST_90: Final = Window(90)
LAST_365: Final = Window(365)
PRIOR_90: Final = Window(90, offset=90)

_ACTIVE_DAYS: Final = ActiveDays(INBOUND, EVER)
_INBOUND_SPAN: Final = Minus(DaysSince(INBOUND, "first"), DaysSince(INBOUND))
_F: Final = FeatureSpec

_RECENCY: Final = (
    _F("days_since_last_inbound", "number", "recency", "Days since the person's last own act.",
       "silent for {value:.0f} days", DaysSince(INBOUND)),
    _F("days_since_first_inbound", "number", "recency", "Days since the person's first own act.",
       "first got in touch {value:.0f} days ago", DaysSince(INBOUND, "first")),
    _F("days_since_last_response", "number", "recency", "Days since the last reply, form, booking or call of level 2.",
       "last responded {value:.0f} days ago", DaysSince(RESPONSE)),
    _F("days_since_last_reply", "number", "recency", "Days since the last message by the person.",
       "last wrote {value:.0f} days ago", DaysSince(REPLY)),
    _F("days_since_last_click", "number", "recency", "Days since the last human click in a mail.",
       "last clicked {value:.0f} days ago", DaysSince(CLICK)),
    _F("days_since_last_page_view", "number", "recency", "Days since the last known visit to the site.",
       "last visited the site {value:.0f} days ago", DaysSince(PAGE_VIEW)),
    _F("days_since_created", "number", "recency", "Days since the CRM created the first record of the person.",
       "known for {value:.0f} days", Attribute("days_since_created")),
)  # fmt: skip

_FREQUENCY: Final = (
    _F("inbound_last_90d", "number", "frequency", "Own acts in the last 90 days.",
       "{value:.0f} own acts in 90 days", Count(INBOUND, LAST_90)),
    _F("inbound_last_365d", "number", "frequency", "Own acts in the last 365 days.",
       "{value:.0f} own acts in a year", Count(INBOUND, LAST_365)),
    _F("inbound_ever", "number", "frequency", "Own acts ever.", "{value:.0f} own acts in all", Count(INBOUND)),
    _F("inbound_30d_before_silence", "number", "frequency", "Own acts in the 30 days up to the last one.",
       "{value:.0f} own acts in the month before going silent", Count(INBOUND, BEFORE_30)),
    _F("inbound_90d_before_silence", "number", "frequency", "Own acts in the 90 days up to the last one.",
       "{value:.0f} own acts in the quarter before going silent", Count(INBOUND, BEFORE_90)),
    _F("responses_last_365d", "number", "frequency", "Responses of level 2 or more in the last 365 days.",
       "{value:.0f} responses in a year", Count(RESPONSE, LAST_365)),
    _F("responses_ever", "number", "frequency", "Responses of level 2 or more ever.",
       "{value:.0f} responses in all", Count(RESPONSE)),
    _F("replies_last_90d", "number", "frequency", "Messages by the person in the last 90 days.",
       "{value:.0f} replies in 90 days", Count(REPLY, LAST_90)),
    _F("replies_last_365d", "number", "frequency", "Messages by the person in the last 365 days.",
       "{value:.0f} replies in a year", Count(REPLY, LAST_365)),
    _F("page_views_last_365d", "number", "frequency", "Known visits in the last 365 days.",
       "{value:.0f} visits in a year", Count(PAGE_VIEW, LAST_365)),
    _F("clicks_last_365d", "number", "frequency", "Human clicks in the last 365 days.",
       "{value:.0f} clicks in a year", Count(CLICK, LAST_365)),
    _F("forms_last_365d", "number", "frequency", "Forms in the last 365 days.",
       "{value:.0f} forms in a year", Count(FORM, LAST_365)),
    _F("meetings_ever", "number", "frequency", "Meetings booked by the person, ever.",
       "{value:.0f} meetings booked", Count(MEETING)),
    _F("active_days_last_365d", "number", "frequency", "Distinct days with an own act in the last 365 days.",
       "active on {value:.0f} days of the year", ActiveDays(INBOUND, LAST_365)),
)  # fmt: skip

_TREND: Final = (
    _F("inbound_change_last_180d", "number", "trend", "Own acts in the last 90 days minus those in the 90 before.",
       "{value:+.0f} own acts against the quarter before", Minus(Count(INBOUND, LAST_90), Count(INBOUND, PRIOR_90))),
    _F("inbound_share_90d_of_last_365d", "number", "trend", "Share of the year's own acts in the last 90 days.",
       "{value:.0%} of the year's acts in the last quarter", Ratio(Count(INBOUND, LAST_90), Count(INBOUND, LAST_365))),
    _F("mean_gap_days_ever", "number", "trend", "Span of the own acts divided by their distinct days, in days.",
       "an own act every {value:.0f} days while active", Ratio(_INBOUND_SPAN, _ACTIVE_DAYS)),
    _F("silence_to_mean_gap_ever", "number", "trend", "Present silence divided by the person's mean gap.",
       "silent {value:.1f} times as long as usual", Ratio(DaysSince(INBOUND), Ratio(_INBOUND_SPAN, _ACTIVE_DAYS))),
    _F("account_inbound_last_30d", "number", "trend", "Own acts of colleagues in the last 30 days.",
       "{value:.0f} acts of colleagues in 30 days", Colleagues(Count(INBOUND, LAST_30))),
    _F("account_inbound_last_90d", "number", "trend", "Own acts of colleagues in the last 90 days.",
       "{value:.0f} acts of colleagues in 90 days", Colleagues(Count(INBOUND, LAST_90))),
    _F("account_responses_last_90d", "number", "trend", "Responses of colleagues in the last 90 days.",
       "{value:.0f} responses of colleagues in 90 days", Colleagues(Count(RESPONSE, LAST_90))),
)  # fmt: skip

_CHANNEL: Final = (
    _F("email_reply_rate_last_365d", "number", "channel", "Mails by the person per mail sent to them, 365 days.",
       "answers {value:.0%} of mails", Ratio(Count(EMAIL_REPLY, LAST_365), Count(OUT_EMAIL, LAST_365))),
    _F("click_rate_last_365d", "number", "channel", "Human clicks per mail sent, 365 days.",
       "{value:.0%} clicks per mail", Ratio(Count(CLICK, LAST_365), Count(OUT_EMAIL, LAST_365))),
    _F("opens_last_90d", "number", "channel", "Opens not known to be by machines, 90 days (unreliable).",
       "{value:.0f} opens in 90 days", Count(OPEN, LAST_90)),
    _F("web_share_ever", "number", "channel", "Share of own acts that are clicks, visits or forms.",
       "{value:.0%} of acts on the web", Ratio(Count(WEB), Count(INBOUND))),
    _F("talk_share_ever", "number", "channel", "Share of own acts that are calls or meetings.",
       "{value:.0%} of acts are calls or meetings", Ratio(Count(TALK), Count(INBOUND))),
    _F("auto_replies_last_365d", "number", "channel", "Automatic replies in the last 365 days.",
       "{value:.0f} automatic replies in a year", Count(AUTO_REPLY, LAST_365)),
    _F("refusals_ever", "number", "channel", "Replies that refused, ever.",
       "refused {value:.0f} times", Count(REFUSAL)),
)  # fmt: skip

_STAGE: Final = (
    _F("deals_ever", "number", "stage", "Opportunities created, ever.", "{value:.0f} opportunities", Count(DEAL)),
    _F("days_since_last_deal", "number", "stage", "Days since the last opportunity was created.",
       "last opportunity {value:.0f} days ago", DaysSince(DEAL)),
    _F("has_won_ever", "flag", "stage", "1 when the person bought before.",
       "bought before: {value:.0f}", AtLeast(Count(WON), 1)),
)  # fmt: skip

_FIRMOGRAPHICS: Final = (
    _F("title_level", "category", "firmographics", "Seniority: c_level, vp, director, manager, individual.",
       "seniority {value}", Attribute("title_level")),
    _F("industry_group", "category", "firmographics", "Industry group: technology, healthcare, finance, and others.",
       "industry {value}", Attribute("industry_group")),
    _F("employee_count", "number", "firmographics", "Employees of the company.",
       "company of {value:.0f} people", Attribute("employee_count")),
    _F("lead_source_group", "category", "firmographics", "Where the lead came from, grouped.",
       "came by {value}", Attribute("lead_source_group")),
    _F("country_group", "category", "firmographics", "Country, the rare ones together.",
       "country {value}", Attribute("country_group")),
    _F("is_free_mail", "flag", "firmographics", "1 for an address of a free mail provider.",
       "free mail address: {value:.0f}", Attribute("is_free_mail")),
    _F("has_phone", "flag", "firmographics", "1 when a valid phone number was given.",
       "phone number known: {value:.0f}", Attribute("has_phone")),
    _F("has_account", "flag", "firmographics", "1 when the person belongs to a known company.",
       "company known: {value:.0f}", Attribute("has_account")),
    _F("crm_system", "category", "firmographics", "CRM of the person's first record.",
       "held in {value}", Attribute("crm_system")),
)  # fmt: skip

_SPELL: Final = (
    _F("spell_number_ever", "number", "spell", "Number of the present silence; 1 is the first.",
       "silence number {value:.0f}", Spell()),
)  # fmt: skip

_EXPOSURE: Final = (
    _F("outbound_last_7d", "number", "exposure", "Contacts by us in the last 7 days.",
       "{value:.0f} contacts by us in 7 days", Count(OUTBOUND, LAST_7)),
    _F("outbound_last_30d", "number", "exposure", "Contacts by us in the last 30 days.",
       "{value:.0f} contacts by us in 30 days", Count(OUTBOUND, LAST_30)),
    _F("outbound_last_90d", "number", "exposure", "Contacts by us in the last 90 days.",
       "{value:.0f} contacts by us in 90 days", Count(OUTBOUND, LAST_90)),
    _F("outbound_last_365d", "number", "exposure", "Contacts by us in the last 365 days.",
       "{value:.0f} contacts by us in a year", Count(OUTBOUND, LAST_365)),
    _F("outbound_since_last_inbound", "number", "exposure", "Contacts by us since the person's last own act.",
       "{value:.0f} contacts without an answer", Count(OUTBOUND, SINCE_SILENCE)),
    _F("days_since_last_outbound", "number", "exposure", "Days since we last made contact.",
       "we last made contact {value:.0f} days ago", DaysSince(OUTBOUND)),
    _F("rep_contacts_last_90d", "number", "exposure", "Contacts by our people in the last 90 days.",
       "{value:.0f} contacts by our people in 90 days", Count(OUT_REP, LAST_90)),
    _F("engine_contacts_last_90d", "number", "exposure", "Contacts by this engine in the last 90 days.",
       "{value:.0f} contacts by the engine in 90 days", Count(OUT_ENGINE, LAST_90)),
    _F("automation_contacts_last_30d", "number", "exposure", "Contacts by other automation in the last 30 days.",
       "{value:.0f} automated contacts in 30 days", Count(OUT_MACHINE, LAST_30)),
    _F("bounces_last_365d", "number", "exposure", "Bounced messages in the last 365 days.",
       "{value:.0f} bounces in a year", Count(BOUNCE, LAST_365)),
)  # fmt: skip

_CALENDAR: Final = (
    _F("year_sine", "number", "calendar", "Sine of the position in the year.", "time of the year", YearWave("sin")),
    _F("year_cosine", "number", "calendar", "Cosine of the position in the year.", "time of the year",
       YearWave("cos")),
)  # fmt: skip

FEATURES: Final[tuple[FeatureSpec, ...]] = (
    *_RECENCY,
    *_FREQUENCY,
    *_TREND,
    *_CHANNEL,
    *_STAGE,
    *_FIRMOGRAPHICS,
    *_SPELL,
    *_EXPOSURE,
    *_CALENDAR,
)


def evaluate(lead: LeadHistory, as_of: date) -> dict[str, Value]:
    """Every feature of a described lead at an as-of date, by name; unknown is None.

    Args:
        lead: history and stable attributes; what is observed at or after the as-of date is ignored.
        as_of: decision date, 00:00 UTC.
    """
    evaluator = Evaluator(lead, as_of, derive(lead.attributes, as_of))
    return {spec.name: evaluator.value(spec.aggregate) for spec in FEATURES if spec.aggregate is not None}
