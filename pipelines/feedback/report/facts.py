"""What a day's report is made of. Plain values only: reading fills them, words and charts show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Population:
    """People of the day, by kind and by why they are not dormant."""

    people: int = 0
    dormant: int = 0
    lead_kinds: Mapping[str, int] = field(default_factory=dict)
    not_dormant: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows of one file with one problem in one column; `row_numbers` holds the first few, never values."""

    source: str
    object_name: str
    file_name: str
    column_name: str
    reason: str
    rows: int
    row_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one source has delivered up to the day."""

    source: str
    crm: str
    files: int
    rows_in: int
    rows_rejected: int
    last_exported_at: str
    silent_days: int | None


@dataclass(frozen=True, slots=True)
class ColumnGap:
    """A column of an export that is often empty; counts are rows of the export."""

    source: str
    object_name: str
    column_name: str
    rows: int
    filled: int


@dataclass(frozen=True, slots=True)
class FieldCost:
    """A field of dormant people: who lacks it, whom that blocks, and how they score.

    `p_with` and `p_without` are mean probabilities (0..1) of scored people; None where nobody is scored.
    """

    name: str
    missing: int
    dormant: int
    blocked: int
    p_with: float | None
    p_without: float | None


@dataclass(frozen=True, slots=True)
class Intake:
    """Files, rows and what was wrong with them."""

    rows_in: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    files: int = 0
    deliveries: tuple[Delivery, ...] = ()
    rejects: tuple[Problem, ...] = ()
    issues: tuple[Problem, ...] = ()
    gaps: tuple[ColumnGap, ...] = ()
    fields: tuple[FieldCost, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One signed reason behind a score, in points."""

    words: str
    points: float


@dataclass(frozen=True, slots=True)
class Lead:
    """One scored lead as the sales team sees it; `next_step` is empty for held-out people."""

    person_id: str
    name: str
    title: str
    company: str
    place: str
    crm: str
    record_id: str
    owner: str
    p: float
    anchor: float | None
    points: int
    percentile: float
    tier: str
    dormant_days: int | None
    next_step: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """The day's scores; `histogram` maps the lower edge of five-point bins to people."""

    rows: int = 0
    unscored: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, int] = field(default_factory=dict)
    histogram: Mapping[int, int] = field(default_factory=dict)
    leads: tuple[Lead, ...] = ()
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """People that one reason keeps out of the batch, and what would change that."""

    reason: str
    people: int
    words: str
    unlock: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The day's plan: `planned + held_out + skipped` is everyone dormant."""

    is_published: bool = False
    contactable: int = 0
    planned: int = 0
    held_out: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    by_channel: Mapping[str, int] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    controls: int = 0
    smallest_visible_effect: float | None = None
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the batch as the recipient reads it; the address is shortened, links are words."""

    channel: str
    recipient: str
    sender: str
    subject: str
    body: str
    has_unsubscribe: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """The emitted batch; `batch_id` is None when nothing was planned."""

    batch_id: str | None = None
    sha256: str | None = None
    path: str | None = None
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """Held-out against contacted: the published facts and one mapping per row of the arms table."""

    is_published: bool = False
    facts: Facts = field(default_factory=dict)
    arms: tuple[Facts, ...] = ()


@dataclass(frozen=True, slots=True)
class DayFacts:
    """Everything that the page and the summary say about one as-of date."""

    as_of: date
    population: Population = field(default_factory=Population)
    intake: Intake = field(default_factory=Intake)
    model: Facts = field(default_factory=dict)
    drift: Facts = field(default_factory=dict)
    scores: Scores = field(default_factory=Scores)
    plan: Plan = field(default_factory=Plan)
    batch: Batch = field(default_factory=Batch)
    results: Results = field(default_factory=Results)
    report_path: str | None = None
    drift_report: str | None = None
