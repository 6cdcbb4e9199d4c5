"""Settings of the engine, read from the environment (prefix `RECOVERY_`) and `.env`. Only the shells read them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.mail import SenderDns


class Settings(BaseSettings):
    """Every setting has a working default but secrets and who the sender is.

    Days are whole days in UTC, shares lie in 0..1, money is in the reporting currency.
    """

    model_config = SettingsConfigDict(
        env_prefix="RECOVERY_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    var_dir: Path = Field(Path("var"), description="folder of all state; relative to the project's root")
    sources_file: Path = Field(Path("sources.yml"), description="declares the sources to ingest")
    example_data: Path = Field(Path("../shared/data"), description="folder with public tables for examples and tests")
    ledger_url: SecretStr | None = Field(None, description="SQLAlchemy URL of the ledger; default SQLite below var_dir")
    mlflow_tracking_uri: str | None = Field(None, description="MLflow store; default SQLite below var_dir")

    dormant_after_days: int = Field(30, ge=1, description="days without inbound activity before a lead is dormant")
    market_dormant_after_days: dict[str, int] = Field(
        default_factory=lambda: {"b2b": 90, "real_estate": 60},
        description="presets by market; `market` of a source picks one",
    )
    max_dormancy_days: int = Field(365, ge=30, description="an e-mail is not planned past this dormancy")
    horizon_days: int = Field(30, ge=1, description="length of the label window")
    outcome_level: Literal[1, 2, 3, 4] = Field(2, description="level at which a person counts as reactivated")
    label_lag_days: int = Field(2, ge=2, le=30, description="days granted for outcomes to be observed")
    owner_contact_days: int = Field(14, ge=0, description="contact by the owner in this many days is not dormant")
    training_weeks: int = Field(26, ge=4, le=156, description="weekly as-of dates in the training panel")
    max_training_snapshots: int = Field(500_000, ge=1_000, description="cap of the training panel, by hash sample")
    min_training_people: int = Field(1_000, ge=1, description="below this the scorecard is used")
    min_training_events: int = Field(120, ge=1, description="below this the scorecard is used")
    seed: int = Field(7, description="seed of every random choice")
    retrain_every_days: int = Field(1, ge=1, description="days between candidate fits")
    retrain_on_campaign_change: bool = Field(
        True, description="fit a new candidate when playbooks, policy or rules changed since the model was trained"
    )
    promote_every_days: int = Field(7, ge=1, description="least days between promotions")
    refresh_after_days: int = Field(14, ge=1, description="an older champion makes way for one that is not worse")

    reasons_limit: int = Field(100_000, ge=0, description="most people who get written reasons in a run")
    drift_warn_share: float = Field(0.3, ge=0, le=1, description="share of drifted features that warns")
    drift_hold_share: float = Field(0.5, ge=0, le=1, description="share of drifted features that holds the batch")
    source_silent_days: int = Field(3, ge=1, description="a source without a new activity this long holds the plan")
    max_reject_share: float = Field(0.2, ge=0, le=1, description="a file with more rejected rows is refused")

    batch_holdout: float = Field(0.10, ge=0, le=0.5, description="share of the chosen that is held out")
    global_holdout: float = Field(0.05, ge=0, le=0.5, description="share of everyone that is never contacted")
    explore_share: float = Field(0.05, ge=0, le=0.5, description="share of capacity given to random eligible people")
    contact_gap_days: int = Field(14, ge=1, description="nobody is planned again within this many days")
    capacity_email: int = Field(500, ge=0, description="e-mails a day")
    capacity_sms: int = Field(0, ge=0, description="texts a day")
    capacity_call: int = Field(40, ge=0, description="calls a day, as tasks for people")
    capacity_crm_task: int = Field(0, ge=0, description="other CRM tasks a day")
    account_cap: int = Field(2, ge=1, description="people of one account in a batch")
    cautious_uplift: float = Field(0.15, ge=0, le=1, description="share of p assumed to be caused by a contact")
    margin: float = Field(0.3, ge=0, le=1, description="share of a deal's amount that is kept")
    reporting_currency: str = Field("USD", pattern="^[A-Z]{3}$", description="currency of reports")
    cost_email: float = Field(0.002, ge=0, description="cost of an e-mail")
    cost_sms: float = Field(0.02, ge=0, description="cost of a text")
    cost_call: float = Field(4.0, ge=0, description="cost of an agent's call")
    minutes_per_call: float = Field(8.0, ge=0, description="an agent's minutes per call")
    minutes_per_crm_task: float = Field(5.0, ge=0, description="an agent's minutes per other task")
    permission_policy: Literal["law", "explicit"] = Field("law", description="explicit demands recorded consent")
    frequency_caps: dict[str, str] = Field(
        default_factory=lambda: {"person": "3/30d", "person.email": "2/14d", "account": "6/14d"},
        description="most contacts in a sliding window, by scope (person, account, address) and channel; 0 is none",
    )
    registrations: frozenset[str] = Field(
        frozenset(), description="registrations on record, such as tx_registration or tx_exemption"
    )
    nurturing_enabled: bool = Field(True, description="false stops all planning", alias="NURTURING_AGENT_ENABLED")
    sending_allowed: bool = Field(False, description="registers jobs that send; dry run otherwise")
    sinks: dict[str, str] = Field(
        default_factory=dict,
        description="sink by channel: outbox (files for people, the default), file, smtp or webhook",
    )
    approve_up_to_touches: int = Field(1_000, ge=0, description="larger batches wait for a human's approval")
    approve_up_to_cost: float = Field(1_000.0, ge=0, description="costlier batches wait for a human's approval")
    approve_up_to_exposure: dict[str, float] = Field(
        {"USD": 1e8, "CAD": 1e9, "GBP": 2e7, "EUR": 2.5e7, "AUD": 1e7},
        description="batches of more worst-case legal exposure wait for a human's approval, by currency; one that is "
        "not named waits, XXX names countries without a figure on record",
    )
    approve_defect_rate: float = Field(
        0.05, gt=0, lt=1, description="highest bound on defects at which a read sample approves a batch"
    )
    delivery_workers: int = Field(1, ge=1, le=16, description="threads that deliver, per sink")
    delivery_rates: dict[str, list[tuple[int, float]]] = Field(
        default_factory=dict, description="limits by sink: [[touches, seconds], ...], exact in every sliding window"
    )
    delivery_lease_seconds: float = Field(300.0, ge=5, description="a worker silent this long counts as dead")
    delivery_tries: int = Field(5, ge=1, le=20, description="tries per touch before it is a dead letter")
    smtp_host: str | None = Field(None, description="server that takes mail for the sink smtp")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port: 587 with starttls, 465 with implicit")
    smtp_security: Literal["starttls", "implicit", "none"] = Field("starttls", description="TLS of that server")
    smtp_username: str = Field("", description="login at that server; empty for none")
    smtp_password: SecretStr | None = Field(None, description="password of that login")
    smtp_return_address: str = Field("", description="where bounces go; the From address when empty")
    smtp_connections: int = Field(4, ge=1, le=50, description="connections of one worker to that server")
    dkim_key_file: Path | None = Field(None, description="private key that signs mail; none leaves it to the server")
    dkim_selector: str = Field("recovery", description="name of the key in DNS")
    dkim_domain: str = Field("", description="signing domain; that of the From address when empty")
    webhook_url: str | None = Field(None, description="HTTPS address for the sink webhook")
    webhook_secret: SecretStr | None = Field(None, description="secret of Standard Webhooks, whsec_...")
    webhook_is_idempotent: bool = Field(False, description="the receiver drops a second webhook-id")
    canary_size: int = Field(200, ge=1, description="touches of a batch that go first and are judged")
    canary_minutes: float = Field(30.0, ge=0, description="how long the rest of a batch waits after its first slice")

    sender_id: str = Field("main", description="sender to whom permission and batches belong")
    sender_name: str | None = Field(None, description="who writes; no default")
    sender_postal_address: str | None = Field(None, description="valid physical postal address; no default")
    sender_from_address: str | None = Field(None, description="From address; no default")
    unsubscribe_url: str | None = Field(None, description="HTTPS address of the unsubscribe page; no default")
    sender_dns: SenderDns | None = Field(
        None, description="what somebody looked up: spf, dkim_bits, dkim_domain, dmarc, tls, ptr, by, on (JSON)"
    )
    style: Literal["educational", "friendly", "professional"] = Field("friendly", description="style of templates")
    touch_count: int = Field(3, ge=1, le=5, description="steps of the initial playbook")

    former_sender_ids: list[str] = Field(
        default_factory=list, description="earlier values of sender_id; unsubscribe links made for them still work"
    )
    smtp_timeout_seconds: float = Field(60.0, gt=0, description="for connecting and for each answer")
    smtp_messages_per_connection: int = Field(100, ge=1, description="then a new connection is made")
    smtp_ca_file: str = Field("", description="certificates to trust instead of the system's")
    smtp_helo_name: str = Field("", description="our name in EHLO; default the machine's")
    webhook_trusted_hosts: list[str] = Field(
        default_factory=list, description="own hosts that the webhook may reach on private addresses and without TLS"
    )
    retain_landing_days: int = Field(180, ge=30, description="landed full exports that newer ones replace")
    retain_text_days: int = Field(
        730, ge=30, description="addresses and texts of messages: ledger, outbox, delivered files"
    )
    retention_applies: bool = Field(
        False, description="rights_schedule removes what is over its time; else it only lists"
    )
    feedback_port: int = Field(8008, ge=1, le=65535, description="loopback port of the feedback routes")

    run_at: str = Field("05:00", pattern=r"^\d\d:\d\d$", description="UTC hour of the daily schedule")
    dagster_port: int = Field(3000, ge=1, le=65535, description="loopback port of the Dagster UI")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="loopback port of the MLflow UI")
    api_port: int = Field(8000, ge=1, le=65535, description="loopback port of the scoring API")
    api_workers: int = Field(
        1, ge=1, le=64, description="processes of the scoring API; without Redis each allows its part of a limit"
    )
    api_latency_ms: float = Field(
        50.0, gt=0, description="acceptable milliseconds of an answer about one person or lead; slower ones are counted"
    )
    api_per_minute: int = Field(600, ge=1, description="requests a minute of a web token's subject")
    api_jwt_issuer: str | None = Field(None, description="issuer of accepted web tokens; none are accepted without")
    api_jwt_audience: str | None = Field(None, description="audience that web tokens must name")
    api_jwks: str | None = Field(None, description="https address or file of the issuer's public keys")
    api_trusted_proxies: str = Field("", description="addresses whose X-Forwarded-For is believed, comma-separated")
    redis_url: SecretStr | None = Field(None, description="Redis for limits that several processes share")
    duckdb_memory: str = Field("6GB", description="DuckDB memory limit")
    duckdb_threads: int = Field(2, ge=1, description="DuckDB threads")

    @property
    def warehouse_path(self) -> Path:
        """DuckDB file."""
        return self.var_dir / "warehouse" / "recovery.duckdb"

    @property
    def landing_dir(self) -> Path:
        """Root of landed exports."""
        return self.var_dir / "landing"

    @property
    def published_dir(self) -> Path:
        """Root of published datasets."""
        return self.var_dir / "published"

    @property
    def outbox_dir(self) -> Path:
        """Root of emitted batches."""
        return self.var_dir / "outbox"

    @property
    def delivered_dir(self) -> Path:
        """Root of the file sink."""
        return self.var_dir / "delivered"

    @property
    def report_dir(self) -> Path:
        """Root of daily reports."""
        return self.var_dir / "report"

    @property
    def secrets_dir(self) -> Path:
        """Generated secrets, mode 0600."""
        return self.var_dir / "secrets"

    @property
    def ledger_sqlalchemy_url(self) -> str:
        """URL of the ledger."""
        if self.ledger_url is not None:
            return self.ledger_url.get_secret_value()
        return f"sqlite:///{(self.var_dir / 'ledger' / 'ledger.sqlite').absolute()}"

    @property
    def tracking_uri(self) -> str:
        """URL of the MLflow store."""
        return self.mlflow_tracking_uri or f"sqlite:///{(self.var_dir / 'mlflow' / 'mlflow.sqlite').absolute()}"
