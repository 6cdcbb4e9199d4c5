"""Closed sets that every room shares. Values are what is stored in tables and files."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

DEFINITION_VERSION: Final = "1"


class Crm(StrEnum):
    """Kinds of source that `sources.yml` can declare."""

    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"
    GOHIGHLEVEL = "gohighlevel"
    MAPPED_CSV = "mapped_csv"


class Channel(StrEnum):
    """Ways to reach a person."""

    EMAIL = "email"
    SMS = "sms"
    CALL = "call"
    CRM_TASK = "crm_task"
    AUDIENCE = "audience"


class ActivityKind(StrEnum):
    """What an activity is."""

    EMAIL = "email"
    SMS = "sms"
    CALL = "call"
    MEETING = "meeting"
    FORM = "form"
    CHAT = "chat"
    PAGE_VIEW = "page_view"
    CLICK = "click"
    OPEN = "open"
    DELIVERY = "delivery"
    BOUNCE = "bounce"
    OPT_OUT = "opt_out"
    COMPLAINT = "complaint"
    NOTE = "note"
    TASK = "task"
    DEAL = "deal"
    WON = "won"
    PURCHASE = "purchase"


class Direction(StrEnum):
    """Seen from the organisation."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Actor(StrEnum):
    """Whose act an activity is."""

    PERSON = "person"
    REP = "rep"
    ENGINE = "engine"
    OTHER_AUTOMATION = "other_automation"
    MACHINE = "machine"


class Initiative(StrEnum):
    """What set the activity off."""

    ORGANIC = "organic"
    CAUSED_BY_ENGINE = "caused_by_engine"
    CAUSED_BY_REP = "caused_by_rep"


class ObservedBasis(StrEnum):
    """Where `observed_at` comes from."""

    SOURCE = "source"
    ASSUMED = "assumed"
    EXPORTED = "exported"


class ColumnType(StrEnum):
    """How a source column behaves over time."""

    EVENT = "event"
    STABLE = "stable"
    MUTABLE = "mutable"
    LATEST_ONLY = "latest_only"


class LeadKind(StrEnum):
    """What kind of lead a person is."""

    LEAD = "lead"
    LAPSED_CUSTOMER = "lapsed_customer"
    NEVER_ENGAGED = "never_engaged"


class OutcomeLevel(IntEnum):
    """How far a person came back."""

    NONE = 0
    ENGAGED = 1
    RESPONDED = 2
    OPPORTUNITY = 3
    WON = 4


class ScoreKind(StrEnum):
    """What produced a score; the two are never compared."""

    MODEL = "model"
    RULES = "rules"


class Tier(StrEnum):
    """Fixed bands of the points: high >= 60, medium 40-59, low < 40."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Arm(StrEnum):
    """Assignment of a chosen person."""

    CONTACTED = "contacted"
    HELD_OUT = "held_out"
    GLOBAL_HOLDOUT = "global_holdout"
    EXPLORED = "explored"


class Basis(StrEnum):
    """Ground on which a channel may be used."""

    EXPRESS_CONSENT = "express_consent"
    WRITTEN_CONSENT = "written_consent"
    INQUIRY = "inquiry"
    PURCHASE = "purchase"
    SOFT_OPT_IN = "soft_opt_in"
    RELATIONSHIP = "relationship"
    OPT_OUT_COLUMN = "opt_out_column"
    BUSINESS_LINE = "business_line"
    ABSENT_FROM_NATIONAL_LIST = "absent_from_national_list"
    ON_NATIONAL_LIST = "on_national_list"
    UNCONFIRMED_CONSENT = "unconfirmed_consent"


class SuppressionReason(StrEnum):
    """Why an address may not be used again."""

    OPT_OUT = "opt_out"
    OBJECTION = "objection"
    COMPLAINT = "complaint"
    HARD_BOUNCE = "hard_bounce"
    DO_NOT_CONTACT = "do_not_contact"
    RESTRICTION = "restriction"
    NOT_NOW = "not_now"
    SALE_OPT_OUT = "sale_opt_out"


class UnscoredReason(StrEnum):
    """Why a dormant person carries no score."""

    OBJECTED = "objected"
    RESTRICTED = "restricted"
    NEVER_ENGAGED = "never_engaged"
    NO_MODEL = "no_model"


class SkipReason(StrEnum):
    """Why an eligible-looking person is not in a batch; every one names what would unlock it."""

    OPTED_OUT = "opted_out"
    OBJECTED = "objected"
    COMPLAINED = "complained"
    HARD_BOUNCED = "hard_bounced"
    DO_NOT_CONTACT = "do_not_contact"
    RESTRICTED = "restricted"
    NOT_NOW = "not_now"
    SALE_OPT_OUT = "sale_opt_out"
    PERMISSION_UNKNOWN = "permission_unknown"
    NO_ADDRESS = "no_address"
    COUNTRY_UNKNOWN = "country_unknown"
    COUNTRY_CONFLICT = "country_conflict"
    TIME_ZONE_UNKNOWN = "time_zone_unknown"
    CONSENT_REQUIRED = "consent_required"
    CONSENT_INCOMPLETE = "consent_incomplete"
    CALL_GROUND_REQUIRED = "call_ground_required"
    REGISTRATION_REQUIRED = "registration_required"
    NO_PERMITTED_HOUR = "no_permitted_hour"
    RULES_CHANGED = "rules_changed"
    BASIS_EXPIRED = "basis_expired"
    TOO_LONG_DORMANT = "too_long_dormant"
    NEVER_ENGAGED = "never_engaged"
    RECENTLY_PLANNED = "recently_planned"
    GLOBAL_HOLDOUT = "global_holdout"
    CAPACITY = "capacity"
    ACCOUNT_CAP = "account_cap"
    FREQUENCY_CAP = "frequency_cap"
    UNSCORED = "unscored"
    CHANNEL_DISABLED = "channel_disabled"
    NOT_WORTH_IT = "not_worth_it"
    SOURCE_SILENT = "source_silent"
    SEVERE_DRIFT = "severe_drift"
    PAUSED = "paused"
    SENDER_UNKNOWN = "sender_unknown"
    RENDER_FAILED = "render_failed"
    NOT_NEWEST_DATE = "not_newest_date"


class RejectReason(StrEnum):
    """Why a row or a field of an export is not used."""

    MALFORMED_ROW = "malformed_row"
    MISSING_REQUIRED = "missing_required"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_NUMBER = "bad_number"
    BAD_EMAIL = "bad_email"
    BAD_PHONE = "bad_phone"
    BAD_TIME_ZONE = "bad_time_zone"
    BAD_BOOLEAN = "bad_boolean"
    BAD_CURRENCY = "bad_currency"
    BAD_COUNTRY = "bad_country"
    BAD_VALUE = "bad_value"
    IN_FUTURE = "in_future"
    DUPLICATE_ID = "duplicate_id"
    ENCODING = "encoding"
