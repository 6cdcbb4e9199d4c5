"""Tables of the ledger. Timestamps are naive UTC; identifiers are text; no names, addresses or texts."""

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

person_links: Final = sa.Table(
    "person_links",
    metadata,
    sa.Column("record_key", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("since", sa.DateTime, primary_key=True),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("as_of_date", sa.Date, nullable=False),
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
    sa.UniqueConstraint("as_of_date", "sender_id"),
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
