"""Settings of the synthetic world: every fact of life is a rate with its source, or marked as assumed."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

DAY: Final = 86_400
WEEK: Final = 7 * DAY
CHUNK: Final = 5_000
LAW_VERSION: Final = "1"


class WorldSettings(BaseModel):
    """The world is a pure function of these settings and of the stored treatments.

    Rates are shares (0..1) unless the description says otherwise; dates are days in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(7, description="seed of every draw")
    people: int = Field(10_000, ge=1, description="people who ever enter a CRM")
    start: date = Field(date(2023, 7, 17), description="first day of the world, a Monday")
    anchor: date = Field(date(2026, 4, 20), description="first as-of date of the demo; past campaigns end here")
    late_people: float = Field(0.05, description="share of people created in the half-year after the anchor; assumed")
    drift_on: date = Field(date(2026, 1, 19), description="from this day paid and social leads react differently")
    drift_size: float = Field(0.35, description="size of the drift on the log-hazard; assumed")
    log_hazard: float = Field(-4.7, description="level of the weekly log-hazard; tuned: 3-8 % react a month")
    signal: float = Field(1.0, ge=0, description="scale of all differences between people; 0 is a world without signal")
    contact_effect: float = Field(1.0, description="scale of what a contact changes; +0.5..+1.5 points on average")
    newsletter_weekly: float = Field(0.07, description="chance of a bulk mail a week; assumed, about four a year")
    campaign_share: float = Field(0.10, description="share assigned in each of twelve monthly campaigns; assumed")
    campaign_held_out: float = Field(0.30, description="share of the assigned who were held out; assumed")
    optout_per_mail: float = Field(0.006, description="opt-out per mail; 0.2-1 %, the range of the specification")
    complaint_per_mail: float = Field(0.0004, description="spam report per mail; mailbox providers demand < 0.1 %")
    soft_bounce: float = Field(0.01, description="passing bounce per mail; assumed")
    dead_address: float = Field(0.015, description="addresses dead at birth; assumed")
    decay_yearly: float = Field(0.045, description="addresses that die in a year; hard bounce 2-8 % on old lists")
    machine_open: float = Field(0.34, description="mails opened by a privacy proxy; assumed")
    scanner_click: float = Field(0.03, description="mails whose links a scanner follows; assumed")
    human_open: float = Field(0.22, description="mails opened by a person, mean; assumed")
    human_click: float = Field(0.025, description="mails clicked by a person, mean; assumed")
    auto_reply: float = Field(0.012, description="automatic replies per mail; assumed")
    refusal: float = Field(0.004, description="written refusals per mail; assumed")
    country_missing: float = Field(0.30, description="records without a country; 20-40 %")
    consent_recorded: float = Field(0.10, description="records with a recorded consent; at most 15 %")
    second_record: float = Field(0.16, description="people with a record in a second CRM; assumed")
    duplicate_record: float = Field(0.03, description="people with a duplicate in their own CRM; assumed")
    merged_share: float = Field(0.6, description="duplicates that are merged within a year; assumed")
    deleted_record: float = Field(0.006, description="records that are deleted at some time; assumed")
    typo: float = Field(0.12, description="second records with a typing error in the name; assumed")
    other_address: float = Field(0.35, description="second records with another address; assumed")
    disqualified: float = Field(0.05, description="people who are employees, partners, competitors or unfit; assumed")
    rep_weekly: float = Field(0.013, description="chance that a rep contacts a person in a week, mean; assumed")
    rep_bias: float = Field(0.9, description="how strongly reps prefer the better leads, on the logit; assumed")
    bad_rows: float = Field(0.006, description="extra rows with broken fields, per row; with stray ones about 1-2 %")
    stray_rows: float = Field(0.003, description="extra rows with stray delimiters; assumed")
    duplicate_rows: float = Field(0.004, description="activity rows exported twice; assumed")
    bad_address: float = Field(0.012, description="invalid e-mails and phones in records; assumed")
    injection: float = Field(0.003, description="text fields with a formula or a prompt injection; assumed")
    columns_change_on: date = Field(date(2026, 5, 5), description="exports from this day on change columns silently")
    gap_on: date = Field(date(2025, 11, 25), description="first day of the silent export gap")
    optimum_on: date = Field(date(2026, 6, 1), description="date at which the two optima are measured")
    gap_days: int = Field(3, ge=0, description="length of the gap; 0 is none")
    gap_late_share: float = Field(0.4, description="share of the gap that arrives later; the rest is lost")
    gap_late_days: int = Field(21, description="days until the late part of the gap arrives")

    @property
    def chunks(self) -> int:
        """Number of chunks of people."""
        return -(-self.people // CHUNK)

    def epoch(self, day: date) -> int:
        """Seconds since 1970 at 00:00 UTC of a day."""
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())

    @property
    def start_epoch(self) -> int:
        """Seconds since 1970 at the start of the world."""
        return self.epoch(self.start)

    def week_of(self, day: date) -> int:
        """Index of the week in which a day lies."""
        return (day - self.start).days // 7

    def weeks_until(self, day: date) -> int:
        """Number of weeks that must be simulated to know everything before a day."""
        return -(-(day - self.start).days // 7)

    def shifted(self, days: int) -> WorldSettings:
        """The same world with every date moved by whole weeks, for other as-of dates."""
        delta = timedelta(days=days - days % 7)
        names = ("start", "anchor", "drift_on", "columns_change_on", "gap_on", "optimum_on")
        return self.model_copy(update={name: getattr(self, name) + delta for name in names})

    def law_fingerprint(self) -> str:
        """Names the law that people follow; independent of seed and number of people."""
        payload = LAW_VERSION + self.model_dump_json(exclude={"seed", "people"})
        return hashlib.sha256(payload.encode()).hexdigest()[:16]
