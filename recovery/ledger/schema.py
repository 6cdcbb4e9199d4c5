"""Tables of the ledger. Timestamps are naive UTC; identifiers are text.

Addresses and texts live in `contents` alone, the one table that erasure empties; every other table holds ids and
keyed hashes of addresses (`<key id>:<hex>`, see `recovery.addresses`). Rows of the tables in `APPEND_ONLY` are
neither changed nor deleted: triggers of the database refuse.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial(name: str, *columns: str, only: str) -> sa.Index:
    """An index of the rows for which `only` holds, on both databases."""
    return sa.Index(name, *columns, sqlite_where=sa.text(only), postgresql_where=sa.text(only))


person_links: Final = sa.Table(
    "person_links",
    metadata,
    sa.Column("record_key", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("since", sa.DateTime, primary_key=True),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
)

# One row is one merge or unmerge of two people; the newest row of a pair says whether they are one.
person_aliases: Final = sa.Table(
    "person_aliases",
    metadata,
    sa.Column("alias_id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, nullable=False, index=True),
    sa.Column("canonical_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),  # merge, unmerge
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime, nullable=False),
    sa.Column("recorded_at", sa.DateTime, nullable=False),
)

# One row is one statement for or against contact, of the person or of the operator.
permission_events: Final = sa.Table(
    "permission_events",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("address_hash", sa.Text, index=True),
    sa.Column("person_id", sa.Text, index=True),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("seller", sa.Text, nullable=False, server_default=""),
    sa.Column("channel", sa.Text, nullable=False),  # a Channel or all
    sa.Column("stance", sa.Text, nullable=False),  # allowed, refused
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("disclosure_version", sa.Text, nullable=False, server_default=""),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False, server_default=""),  # no personal data; that goes to contents
    sa.Column("collected_during", sa.Text),
    sa.Column("is_optout_offered", sa.Boolean),
    sa.Column("is_lead_originated", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("declared_by", sa.Text, nullable=False, server_default=""),
    sa.Column("since", sa.DateTime),
    sa.Column("expires_at", sa.DateTime),
    sa.Column("recorded_at", sa.DateTime, nullable=False, index=True),
)

# One row is one reason why an address is not used. Only a later event that the lead originated reopens it.
suppressions: Final = sa.Table(
    "suppressions",
    metadata,
    sa.Column("suppression_id", sa.Text, primary_key=True),
    sa.Column("address_hash", sa.Text, nullable=False, index=True),
    sa.Column("person_id", sa.Text, index=True),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),  # a Channel or all
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime, nullable=False),
    sa.Column("recorded_at", sa.DateTime, nullable=False, index=True),
)

restrictions: Final = sa.Table(
    "restrictions",
    metadata,
    sa.Column("restriction_id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),  # restrict, lift
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime, nullable=False),
    sa.Column("recorded_at", sa.DateTime, nullable=False),
)

rights_requests: Final = sa.Table(
    "rights_requests",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),  # export, erase, restrict, lift, merge, unmerge
    sa.Column("person_id", sa.Text, nullable=False, index=True),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("received_at", sa.DateTime, nullable=False),
    sa.Column("due_at", sa.DateTime, nullable=False),
    sa.Column("completed_at", sa.DateTime),
    sa.Column("state", sa.Text, nullable=False),
)

# One row is one place that an erasure rewrote.
erasure_receipts: Final = sa.Table(
    "erasure_receipts",
    metadata,
    sa.Column("receipt_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False, index=True),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("item", sa.Text, nullable=False),
    sa.Column("sha256_before", sa.Text, nullable=False, server_default=""),
    sa.Column("sha256_after", sa.Text, nullable=False, server_default=""),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("erased_at", sa.DateTime, nullable=False),
)

batches: Final = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("planned", sa.Integer, nullable=False),
    sa.Column("held_out", sa.Integer, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False, server_default=""),
    sa.Column("model", sa.Text, nullable=False, server_default=""),
    sa.Column("rules", sa.Text, nullable=False, server_default=""),
    sa.Column("facts", sa.Text, nullable=False, server_default="{}"),
    sa.Column("state_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("state_at", sa.DateTime),
    sa.Column("canary_passed_at", sa.DateTime),
    sa.UniqueConstraint("as_of_date", "sender_id"),
)

approvals: Final = sa.Table(
    "approvals",
    metadata,
    sa.Column("approval_id", sa.Text, primary_key=True),
    sa.Column("batch_id", sa.Text, sa.ForeignKey("batches.batch_id"), nullable=False, index=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),  # approved, rejected
    sa.Column("method", sa.Text, nullable=False),  # automatic, whole, sample
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.Column("sample_size", sa.Integer),
    sa.Column("sample_defects", sa.Integer),
    sa.Column("defect_bound", sa.Double),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)

assignments: Final = sa.Table(
    "assignments",
    metadata,
    sa.Column("assignment_id", sa.Text, primary_key=True),
    sa.Column("batch_id", sa.Text, sa.ForeignKey("batches.batch_id"), nullable=False, index=True),
    sa.Column("as_of_date", sa.Date, nullable=False, index=True),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("playbook", sa.Text, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("propensity", sa.Double, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("not_before", sa.DateTime, nullable=False),
    sa.Column("expires_at", sa.DateTime, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.UniqueConstraint("person_id", "playbook", "step", "cycle"),
)

# One row is one touch; the delivery state machine. `touch_id` equals the assignment's.
touches: Final = sa.Table(
    "touches",
    metadata,
    sa.Column("touch_id", sa.Text, primary_key=True),
    sa.Column("batch_id", sa.Text, sa.ForeignKey("batches.batch_id"), nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text),
    sa.Column("sender_id", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("playbook", sa.Text, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False, server_default="0"),
    sa.Column("address_hash", sa.Text),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("sink", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("not_before", sa.DateTime, nullable=False),
    sa.Column("expires_at", sa.DateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_budget", sa.Integer, nullable=False, server_default="5"),
    sa.Column("claim_id", sa.Text),  # fences a worker whose lease ran out
    sa.Column("lease_until", sa.DateTime),
    sa.Column("settled_at", sa.DateTime),  # when it became final
    sa.UniqueConstraint("person_id", "playbook", "step", "cycle"),
    sa.Index("ix_touches_batch_state", "batch_id", "state", "reason"),
    _partial("ix_touches_claimable", "sink", "batch_id", "not_before", "touch_id", only="state = 'approved'"),
    _partial("ix_touches_unknown", "sink", "touch_id", only="state = 'unknown'"),
    _partial("ix_touches_leased", "lease_until", only="state = 'claimed'"),
    _partial("ix_touches_open_address", "address_hash", only="state in ('planned', 'approved')"),
    sa.Index("ix_touches_account", "account_id", "settled_at"),
)

# One row is one try to hand a touch to a sink.
attempts: Final = sa.Table(
    "attempts",
    metadata,
    sa.Column("touch_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("claim_id", sa.Text, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("sink", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),  # sent, refused, passing, unknown, render_failed
    sa.Column("code", sa.Text, nullable=False, server_default=""),
    sa.Column("provider_id", sa.Text),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Index("ix_attempts_at", "at"),
    _partial("ix_attempts_provider_id", "provider_id", only="provider_id is not null"),
)

# One row is one thing that a provider or mail server told about a touch or address, once.
provider_events: Final = sa.Table(
    "provider_events",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("touch_id", sa.Text, index=True),
    sa.Column("person_id", sa.Text, index=True),
    sa.Column("address_hash", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("is_machine", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),  # codes and classes, no personal data
    sa.Column("occurred_at", sa.DateTime, nullable=False),
    sa.Column("received_at", sa.DateTime, nullable=False),
    sa.Index("ix_provider_events_kind_received_at", "kind", "received_at"),
)

# The one erasable table: whatever names, addresses or quotes a person.
contents: Final = sa.Table(
    "contents",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),  # touch, person, evidence, event
    sa.Column("ref_id", sa.Text, primary_key=True),  # touch_id, person_id, event_id, provider/event_id
    sa.Column("person_id", sa.Text, index=True),
    sa.Column("address", sa.Text, nullable=False, server_default=""),
    sa.Column("subject", sa.Text, nullable=False, server_default=""),
    sa.Column("text", sa.Text, nullable=False, server_default=""),
    sa.Column("html", sa.Text, nullable=False, server_default=""),
    sa.Column("extra", sa.Text, nullable=False, server_default="{}"),  # JSON
    sa.Column("created_at", sa.DateTime, nullable=False, index=True),
)

# One row is one group of sends of a sink: it counts from `taken_at` until its window after `ended_at` has passed.
rate_slots: Final = sa.Table(
    "rate_slots",
    metadata,
    sa.Column("claim_id", sa.Text, primary_key=True),
    sa.Column("sink", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("taken_at", sa.DateTime, nullable=False),
    sa.Column("ended_at", sa.DateTime),
    sa.Index("ix_rate_slots_sink_ended_at", "sink", "ended_at"),
)

webhook_nonces: Final = sa.Table(
    "webhook_nonces",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("nonce", sa.Text, primary_key=True),
    sa.Column("seen_at", sa.DateTime, nullable=False, index=True),
)

# One row is one group of changes; `hash` covers everything before it.
audit: Final = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("payload", sa.Text, nullable=False),  # canonical JSON of ids, states and hashes
    sa.Column("hash", sa.Text, nullable=False),
)

# Single facts of the installation: head of the audit chain, generation of the ledger.
ledger_facts: Final = sa.Table(
    "ledger_facts",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("value", sa.Text, nullable=False, server_default=""),
)

APPEND_ONLY: Final = (
    "permission_events",
    "suppressions",
    "person_aliases",
    "restrictions",
    "erasure_receipts",
    "approvals",
    "provider_events",
    "audit",
)
