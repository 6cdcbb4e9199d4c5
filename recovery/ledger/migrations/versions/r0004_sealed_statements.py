"""Statements about permission that stand already go under the audit chain."""

from datetime import UTC, datetime

from alembic import op

from recovery.ledger.seals import seal_everything

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Seal them."""
    seal_everything(op.get_bind(), at=datetime.now(UTC).replace(tzinfo=None))


def downgrade() -> None:
    """The chain keeps its entries: nothing is taken out of it."""
