"""Person links, batches and assignments."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "person_links",
        sa.Column("record_key", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("as_of_date", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("record_key", "person_id", "since", name="pk_person_links"),
    )
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("as_of_date", sa.Date, nullable=False),
        sa.Column("sender_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("planned", sa.Integer, nullable=False),
        sa.Column("held_out", sa.Integer, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name="pk_batches"),
        sa.UniqueConstraint("as_of_date", "sender_id", name="uq_batches_as_of_date_sender_id"),
    )
    _create_assignments()


def _create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("assignment_id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("as_of_date", sa.Date, nullable=False),
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
        sa.PrimaryKeyConstraint("assignment_id", name="pk_assignments"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"], name="fk_assignments_batch_id"),
        sa.UniqueConstraint(
            "person_id", "playbook", "step", "cycle", name="uq_assignments_person_id_playbook_step_cycle"
        ),
    )
    op.create_index("ix_assignments_batch_id", "assignments", ["batch_id"])
    op.create_index("ix_assignments_as_of_date", "assignments", ["as_of_date"])


def downgrade() -> None:
    """Drop the three tables; refuses nothing, so take a backup first."""
    op.drop_table("assignments")
    op.drop_table("batches")
    op.drop_table("person_links")
