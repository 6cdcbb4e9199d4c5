"""Permission, approval, delivery, rights and audit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    "person_aliases", "permission_events", "suppressions", "restrictions", "rights_requests", "erasure_receipts",
    "approvals", "touches", "attempts", "provider_events", "contents", "rate_slots", "webhook_nonces", "audit",
    "ledger_facts",
)  # fmt: skip
_NEW_OF_BATCHES = ("policy_version", "model", "rules", "facts", "state_reason", "state_at", "canary_passed_at")
_APPEND_ONLY = (
    "permission_events", "suppressions", "person_aliases", "restrictions", "erasure_receipts", "approvals",
    "provider_events", "audit",
)  # fmt: skip


def upgrade() -> None:
    """Create the tables, widen `batches`, and let the database refuse changes to what is append-only."""
    _create_person_aliases()
    _create_permission_events()
    _create_suppressions()
    _create_restrictions()
    _create_rights_requests()
    _create_erasure_receipts()
    _widen_batches()
    _create_approvals()
    _create_touches()
    _create_attempts()
    _create_provider_events()
    _create_contents()
    _create_rate_slots()
    _create_webhook_nonces()
    _create_audit()
    _create_ledger_facts()
    for table in _APPEND_ONLY:
        _freeze(table)


def _freeze(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"create function refuse_change_of_{table}() returns trigger language plpgsql as "
            f"$$ begin raise exception '{table} is append-only' using errcode = 'integrity_constraint_violation'; "
            "end $$"
        )
        op.execute(
            f"create trigger keep_{table} before update or delete on {table} "
            f"for each row execute function refuse_change_of_{table}()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"create trigger keep_{table}_from_{verb} before {verb} on {table} "
            f"begin select raise(abort, '{table} is append-only'); end"
        )


def _create_person_aliases() -> None:
    op.create_table(
        "person_aliases",
        sa.Column("alias_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("canonical_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("alias_id", name="pk_person_aliases"),
    )
    op.create_index("ix_person_aliases_canonical_id", "person_aliases", ["canonical_id"])
    op.create_index("ix_person_aliases_person_id", "person_aliases", ["person_id"])


def _create_permission_events() -> None:
    op.create_table(
        "permission_events",
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("address_hash", sa.Text),
        sa.Column("person_id", sa.Text),
        sa.Column("sender_id", sa.Text, nullable=False),
        sa.Column("seller", sa.Text, server_default="", nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("stance", sa.Text, nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("disclosure_version", sa.Text, server_default="", nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, server_default="", nullable=False),
        sa.Column("collected_during", sa.Text),
        sa.Column("is_optout_offered", sa.Boolean),
        sa.Column("is_lead_originated", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("declared_by", sa.Text, server_default="", nullable=False),
        sa.Column("since", sa.DateTime),
        sa.Column("expires_at", sa.DateTime),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_permission_events"),
    )
    op.create_index("ix_permission_events_address_hash", "permission_events", ["address_hash"])
    op.create_index("ix_permission_events_person_id", "permission_events", ["person_id"])
    op.create_index("ix_permission_events_recorded_at", "permission_events", ["recorded_at"])


def _create_suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("suppression_id", sa.Text, nullable=False),
        sa.Column("address_hash", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text),
        sa.Column("sender_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("suppression_id", name="pk_suppressions"),
    )
    op.create_index("ix_suppressions_address_hash", "suppressions", ["address_hash"])
    op.create_index("ix_suppressions_person_id", "suppressions", ["person_id"])
    op.create_index("ix_suppressions_recorded_at", "suppressions", ["recorded_at"])


def _create_restrictions() -> None:
    op.create_table(
        "restrictions",
        sa.Column("restriction_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("recorded_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("restriction_id", name="pk_restrictions"),
    )
    op.create_index("ix_restrictions_person_id", "restrictions", ["person_id"])


def _create_rights_requests() -> None:
    op.create_table(
        "rights_requests",
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("completed_at", sa.DateTime),
        sa.Column("state", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_rights_requests"),
    )
    op.create_index("ix_rights_requests_person_id", "rights_requests", ["person_id"])


def _create_erasure_receipts() -> None:
    op.create_table(
        "erasure_receipts",
        sa.Column("receipt_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("sha256_before", sa.Text, server_default="", nullable=False),
        sa.Column("sha256_after", sa.Text, server_default="", nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("erased_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("receipt_id", name="pk_erasure_receipts"),
    )
    op.create_index("ix_erasure_receipts_request_id", "erasure_receipts", ["request_id"])


def _widen_batches() -> None:
    op.add_column("batches", sa.Column("policy_version", sa.Text, server_default="", nullable=False))
    op.add_column("batches", sa.Column("model", sa.Text, server_default="", nullable=False))
    op.add_column("batches", sa.Column("rules", sa.Text, server_default="", nullable=False))
    op.add_column("batches", sa.Column("facts", sa.Text, server_default="{}", nullable=False))
    op.add_column("batches", sa.Column("state_reason", sa.Text, server_default="", nullable=False))
    op.add_column("batches", sa.Column("state_at", sa.DateTime))
    op.add_column("batches", sa.Column("canary_passed_at", sa.DateTime))


def _create_approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("approval_id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("sample_size", sa.Integer),
        sa.Column("sample_defects", sa.Integer),
        sa.Column("defect_bound", sa.Double),
        sa.Column("note", sa.Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"], name="fk_approvals_batch_id"),
        sa.PrimaryKeyConstraint("approval_id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_batch_id", "approvals", ["batch_id"])


def _create_touches() -> None:
    op.create_table(
        "touches",
        sa.Column("touch_id", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("sender_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("playbook", sa.Text, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("rank", sa.Integer, server_default="0", nullable=False),
        sa.Column("address_hash", sa.Text),
        sa.Column("content_sha256", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("not_before", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("retry_budget", sa.Integer, server_default="5", nullable=False),
        sa.Column("claim_id", sa.Text),
        sa.Column("lease_until", sa.DateTime),
        sa.Column("settled_at", sa.DateTime),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"], name="fk_touches_batch_id"),
        sa.PrimaryKeyConstraint("touch_id", name="pk_touches"),
        sa.UniqueConstraint("person_id", "playbook", "step", "cycle", name="uq_touches_person_id_playbook_step_cycle"),
    )
    op.create_index("ix_touches_account", "touches", ["account_id", "settled_at"])
    op.create_index("ix_touches_batch_state", "touches", ["batch_id", "state", "reason"])
    op.create_index(
        "ix_touches_claimable",
        "touches",
        ["sink", "batch_id", "not_before", "touch_id"],
        sqlite_where=sa.text("state = 'approved'"),
        postgresql_where=sa.text("state = 'approved'"),
    )
    op.create_index(
        "ix_touches_unknown",
        "touches",
        ["sink", "touch_id"],
        sqlite_where=sa.text("state = 'unknown'"),
        postgresql_where=sa.text("state = 'unknown'"),
    )
    op.create_index(
        "ix_touches_leased",
        "touches",
        ["lease_until"],
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    )
    op.create_index(
        "ix_touches_open_address",
        "touches",
        ["address_hash"],
        sqlite_where=sa.text("state in ('planned', 'approved')"),
        postgresql_where=sa.text("state in ('planned', 'approved')"),
    )


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("touch_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("claim_id", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("code", sa.Text, server_default="", nullable=False),
        sa.Column("provider_id", sa.Text),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("touch_id", "number", name="pk_attempts"),
    )
    op.create_index("ix_attempts_at", "attempts", ["at"])
    op.create_index(
        "ix_attempts_provider_id",
        "attempts",
        ["provider_id"],
        sqlite_where=sa.text("provider_id is not null"),
        postgresql_where=sa.text("provider_id is not null"),
    )


def _create_provider_events() -> None:
    op.create_table(
        "provider_events",
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("touch_id", sa.Text),
        sa.Column("person_id", sa.Text),
        sa.Column("address_hash", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("is_machine", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("detail", sa.Text, server_default="", nullable=False),
        sa.Column("occurred_at", sa.DateTime, nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("provider", "event_id", name="pk_provider_events"),
    )
    op.create_index("ix_provider_events_person_id", "provider_events", ["person_id"])
    op.create_index("ix_provider_events_kind_received_at", "provider_events", ["kind", "received_at"])
    op.create_index("ix_provider_events_touch_id", "provider_events", ["touch_id"])


def _create_contents() -> None:
    op.create_table(
        "contents",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ref_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text),
        sa.Column("address", sa.Text, server_default="", nullable=False),
        sa.Column("subject", sa.Text, server_default="", nullable=False),
        sa.Column("text", sa.Text, server_default="", nullable=False),
        sa.Column("html", sa.Text, server_default="", nullable=False),
        sa.Column("extra", sa.Text, server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("kind", "ref_id", name="pk_contents"),
    )
    op.create_index("ix_contents_created_at", "contents", ["created_at"])
    op.create_index("ix_contents_person_id", "contents", ["person_id"])


def _create_rate_slots() -> None:
    op.create_table(
        "rate_slots",
        sa.Column("claim_id", sa.Text, nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("taken_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.PrimaryKeyConstraint("claim_id", name="pk_rate_slots"),
    )
    op.create_index("ix_rate_slots_sink_ended_at", "rate_slots", ["sink", "ended_at"])


def _create_webhook_nonces() -> None:
    op.create_table(
        "webhook_nonces",
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("seen_at", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("provider", "nonce", name="pk_webhook_nonces"),
    )
    op.create_index("ix_webhook_nonces_seen_at", "webhook_nonces", ["seen_at"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])


def _create_ledger_facts() -> None:
    op.create_table(
        "ledger_facts",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("value", sa.Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_facts"),
    )


def downgrade() -> None:
    """Drop what this revision made; refuses nothing, so take a backup first."""
    for table in reversed(_TABLES):
        op.drop_table(table)
        if table in _APPEND_ONLY and op.get_bind().dialect.name == "postgresql":
            op.execute(f"drop function refuse_change_of_{table}()")
    for column in _NEW_OF_BATCHES:
        op.drop_column("batches", column)
