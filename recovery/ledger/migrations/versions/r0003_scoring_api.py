"""Keys, use, answers and told activities of the scoring API."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the four tables."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Text),
        sa.Column("team_id", sa.Text),
        sa.Column("per_minute", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime),
        sa.Column("revoked_at", sa.DateTime),
        sa.Column("replaces", sa.Text),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )
    op.create_table(
        "api_usage",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "day", "route", "outcome", name="pk_api_usage"),
    )
    op.create_table(
        "api_answers",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("body_sha256", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name="pk_api_answers"),
    )
    op.create_index("ix_api_answers_created_at", "api_answers", ["created_at"])
    op.create_table(
        "api_activities",
        sa.Column("activity_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("occurred_at", sa.DateTime, nullable=False),
        sa.Column("observed_at", sa.DateTime, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("outcome_level", sa.Integer, nullable=False),
        sa.Column("reply_class", sa.Text),
        sa.Column("is_machine", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("activity_id", name="pk_api_activities"),
    )
    op.create_index("ix_api_activities_observed_at", "api_activities", ["observed_at"])
    op.create_index("ix_api_activities_person_id", "api_activities", ["person_id"])


def downgrade() -> None:
    """Drop them."""
    for table in ("api_activities", "api_answers", "api_usage", "api_keys"):
        op.drop_table(table)
