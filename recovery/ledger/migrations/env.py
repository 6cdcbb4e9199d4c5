"""Alembic environment: runs on the connection that the caller hands over, inside its transaction."""

from alembic import context

from recovery.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
