"""Tables of the scoring API: who may ask, what was asked how often, answers that must not change, new activities."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from recovery.ledger.schema import metadata

# One row is one key. Only a hash of its secret is kept; rotation makes a new row and lets the old one run out.
api_keys: Final = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("secret_sha256", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text),  # sees only people of this owner
    sa.Column("team_id", sa.Text),  # sees only people of this team
    sa.Column("per_minute", sa.Integer, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("expires_at", sa.DateTime),
    sa.Column("revoked_at", sa.DateTime),
    sa.Column("replaces", sa.Text),
)

# One row is one key, day, route and class of answers.
api_usage: Final = sa.Table(
    "api_usage",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),  # ok, refused, limited, failed
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("items", sa.BigInteger, nullable=False),
)

# One row is one idempotency key of one API key; the stored answer is given again for the same body.
api_answers: Final = sa.Table(
    "api_answers",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("route", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),  # null while the first request is still at work
    sa.Column("answer", sa.Text),
    sa.Column("created_at", sa.DateTime, nullable=False, index=True),
)

# One row is one activity that an application told about a person; the next daily run reads it as a source.
api_activities: Final = sa.Table(
    "api_activities",
    metadata,
    sa.Column("activity_id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, nullable=False, index=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("occurred_at", sa.DateTime, nullable=False),
    sa.Column("observed_at", sa.DateTime, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("outcome_level", sa.Integer, nullable=False),
    sa.Column("reply_class", sa.Text),
    sa.Column("is_machine", sa.Boolean, nullable=False),
)
