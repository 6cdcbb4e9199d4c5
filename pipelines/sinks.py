"""Sinks from settings and secrets, for the shells that send."""

from __future__ import annotations

from pathlib import Path

from contracts.errors import SettingError
from contracts.settings import Settings
from recovery.sinks.dkim_signing import DkimSigner
from recovery.sinks.folder import FileSink
from recovery.sinks.protocol import Sink
from recovery.sinks.smtp import SmtpSink
from recovery.sinks.smtp_client import SmtpServer
from recovery.sinks.webhook import WebhookSink, WebhookTarget

SINKS = ("smtp", "file", "webhook")


def open_sink(settings: Settings, name: str) -> Sink:
    """The sink of that name, not yet connected.

    Raises:
        SettingError: there is no such sink, or a setting or secret of it is missing.
    """
    if name == "smtp":
        return _smtp(settings)
    if name == "file":
        return FileSink(settings.var_dir / "touches")
    if name == "webhook":
        return _webhook(settings)
    raise SettingError(
        f"There is no sink {name!r}.", where="RECOVERY_SINKS", remedy=f"Known are {', '.join(SINKS)} and outbox."
    )


def _smtp(settings: Settings) -> SmtpSink:
    if not settings.smtp_host:
        raise SettingError(
            "The mail server is not named.",
            where="RECOVERY_SMTP_HOST",
            remedy="Set it to its host name.",
        )
    secrets = settings.secrets_dir
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=_secret(secrets / "smtp_password") if settings.smtp_username else "",
        timeout_seconds=settings.smtp_timeout_seconds,
        ca_file=settings.smtp_ca_file,
        helo_name=settings.smtp_helo_name,
    )
    signer = None
    if settings.dkim_domain:
        key = _secret(secrets / "dkim.pem").encode("ascii", "replace")
        signer = DkimSigner(settings.dkim_domain, settings.dkim_selector, key)
    return SmtpSink(
        server,
        signer=signer,
        return_address=settings.smtp_return_address,
        pool=settings.smtp_connections,
        messages_per_connection=settings.smtp_messages_per_connection,
    )


def _webhook(settings: Settings) -> WebhookSink:
    if not settings.webhook_url:
        raise SettingError(
            "The webhook's address is missing.", where="RECOVERY_WEBHOOK_URL", remedy="Set it to https://host/path."
        )
    target = WebhookTarget(
        settings.webhook_url, frozenset(settings.webhook_trusted_hosts), settings.webhook_is_idempotent
    )
    return WebhookSink(target, _secret(settings.secrets_dir / "webhook_secret"))


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingError(
            f"The secret {path.name} is missing.", where=str(path), remedy="Write it there, readable by you alone."
        ) from error
