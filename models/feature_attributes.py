"""Stable attributes of a lead that features use, and the rules that group free text; SQL and Python from one list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal

from models.feature_algebra import Value, days_sql

# What a described lead may state; all stable, all null when unknown.
RAW_ATTRIBUTES: Final = (
    "created_at",
    "job_title",
    "industry",
    "employee_count",
    "country",
    "lead_source",
    "is_free_mail",
    "has_phone",
    "has_account",
    "crm",
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Ordered patterns over lower-case text; the first that is found names the group. `\\b` and `|` only."""

    raw: str
    groups: tuple[tuple[str, str], ...]
    otherwise: str

    def group(self, text: object) -> str | None:
        """Group of a text; None when there is none."""
        if not isinstance(text, str) or not text.strip():
            return None
        return _group(self.raw, text) if _BY_RAW.get(self.raw) is self else self._search(text)

    def _search(self, text: str) -> str:
        lowered = text.lower()
        for name, pattern in self.groups:
            if re.search(pattern, lowered, re.ASCII):
                return name
        return self.otherwise

    def sql(self, column: str) -> str:
        """The same as a `case` over a column."""
        whens = " ".join(
            f"when regexp_matches(lower({column}), '{pattern}') then '{name}'" for name, pattern in self.groups
        )
        return f"case when trim({column}) = '' or {column} is null then null {whens} else '{self.otherwise}' end"


TITLE_LEVEL: Final = Rules(
    "job_title",
    (
        ("vp", r"\bvp\b|\bsvp\b|\bevp\b|\bvice[- ]president\b"),
        (
            "c_level",
            r"\bc[etfmorpi]o\b|\bciso\b|\bchief\b|\bpresident\b|\bfounder\b|\bco-founder\b|\bowner\b|\bpartner\b"
            r"|\bmanaging director\b",
        ),
        ("director", r"\bdirector\b|\bhead of\b"),
        ("manager", r"\bmanager\b|\bsupervisor\b|\bteam lead\b|\blead\b"),
    ),
    "individual",
)
INDUSTRY_GROUP: Final = Rules(
    "industry",
    (
        ("nonprofit", r"non[- _]?profit|charit|\bngo\b|philanthrop"),
        ("education", r"educat|school|universit|e-learning|e_learning"),
        ("healthcare", r"health|hospital|medic|pharma|biotech|wellness"),
        ("finance", r"financ|bank|insur|invest|capital|accounting|fintech"),
        ("real_estate", r"real[ _-]?estate|propert|mortgage"),
        ("manufacturing", r"manufact|machinery|industrial|automotive|chemical|construction|building"),
        ("retail", r"retail|consumer|wholesale|e-?commerce|apparel|food|restaurant|fashion"),
        ("technology", r"tech|software|internet|computer|saas|telecom|\bit\b|semiconductor|\bdata\b"),
    ),
    "other",
)
SOURCE_GROUP: Final = Rules(
    "lead_source",
    (
        ("referral", r"referr|partner|word of mouth"),
        ("paid", r"paid|\bads?\b|adwords|ppc|display|sponsor"),
        ("email", r"e-?mail|newsletter"),
        ("event", r"event|trade ?show|webinar|conference"),
        ("social", r"social|linkedin|facebook|instagram|twitter"),
        ("organic", r"organic|seo|search"),
        ("direct", r"direct|website|\bweb\b|form"),
        ("offline", r"offline|import|list|cold|phone|call|purchased"),
    ),
    "other",
)
COUNTRY_GROUP: Final = Rules(
    "country",
    (
        ("us", r"^us$"),
        ("ca", r"^ca$"),
        ("gb", r"^gb$"),
        ("de", r"^de$"),
        ("fr", r"^fr$"),
        ("au", r"^au$"),
    ),
    "other",
)

_BY_RAW: Final = {rules.raw: rules for rules in (TITLE_LEVEL, INDUSTRY_GROUP, SOURCE_GROUP, COUNTRY_GROUP)}


@lru_cache(maxsize=8_192)
def _group(raw: str, text: str) -> str:
    """Group of a text by the rules of an attribute: the same titles and trades come again and again."""
    return _BY_RAW[raw]._search(text)


Shape = Literal["text", "number", "flag", "days"]


@dataclass(frozen=True, slots=True)
class Derived:
    """One attribute that a feature may look up: from a raw one, grouped by rules or taken as it is."""

    name: str
    raw: str
    shape: Shape
    rules: Rules | None = None

    def sql(self) -> str:
        """Expression over alias `s` with the raw columns and `as_of_at`."""
        column = f"s.{self.raw}"
        if self.rules is not None:
            return self.rules.sql(column)
        if self.shape == "days":
            return days_sql(column)
        if self.shape == "flag":
            return f"coalesce({column}, false)::int::double"
        return f"{column}::double" if self.shape == "number" else column

    def value(self, raw: Mapping[str, object], as_of: date) -> Value:
        """The same from a described lead; a flag that is unknown is 0."""
        given = raw.get(self.raw)
        if self.rules is not None:
            return self.rules.group(given)
        if self.shape == "flag":
            return float(bool(given))
        if given is None:
            return None
        if self.shape == "days":
            if not isinstance(given, datetime):
                raise TypeError(f"{self.raw} must be a naive UTC datetime.")
            micros = (datetime.combine(as_of, time()) - given) // timedelta(microseconds=1)
            return micros / 86_400_000_000.0
        return float(str(given)) if self.shape == "number" else str(given)


DERIVED: Final = (
    Derived("title_level", "job_title", "text", TITLE_LEVEL),
    Derived("industry_group", "industry", "text", INDUSTRY_GROUP),
    Derived("employee_count", "employee_count", "number"),
    Derived("lead_source_group", "lead_source", "text", SOURCE_GROUP),
    Derived("country_group", "country", "text", COUNTRY_GROUP),
    Derived("is_free_mail", "is_free_mail", "flag"),
    Derived("has_phone", "has_phone", "flag"),
    Derived("has_account", "has_account", "flag"),
    Derived("crm_system", "crm", "text"),
    Derived("days_since_created", "created_at", "days"),
)


def derive(raw: Mapping[str, object], as_of: date) -> dict[str, Value]:
    """All derived attributes of a described lead."""
    return {derived.name: derived.value(raw, as_of) for derived in DERIVED}
