"""Settings to sinks: what `RECOVERY_SINKS` names is opened here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from contracts.errors import SettingError
from contracts.settings import Settings
from recovery.delivery.rates import RateLimit
from recovery.sinks.protocol import Sink


def sink_opener(name: str, settings: Settings) -> Callable[[], Sink]:
    """Function that opens a sink; called once per worker.

    Raises:
        SettingError: the sink's settings are incomplete or its name is unknown.
    """
    if name == "file":
        return lambda: _file(settings)
    if name == "smtp":
        _need("smtp_host", settings.smtp_host)
        return lambda: _smtp(settings)
    if name == "webhook":
        _need("webhook_url", settings.webhook_url)
        _need("webhook_secret", settings.webhook_secret)
        return lambda: _webhook(settings)
    raise SettingError(f"There is no sink {name}.", where="RECOVERY_SINKS", remedy="Use file, smtp or webhook.")


def far_end(name: str, settings: Settings) -> str:
    """Where a sink leads, for people."""
    if name == "smtp":
        return f"mail server {settings.smtp_host}:{settings.smtp_port} (RECOVERY_SMTP_HOST, RECOVERY_SMTP_PORT)"
    if name == "webhook":
        host = urlsplit(settings.webhook_url or "").hostname
        return f"webhook at {host} (RECOVERY_WEBHOOK_URL)"
    return name


def rates_of(name: str, settings: Settings) -> tuple[RateLimit, ...]:
    """Limits of a sink."""
    return tuple(RateLimit(count, seconds) for count, seconds in settings.delivery_rates.get(name, []))


def _need(name: str, value: object) -> None:
    if not value:
        raise SettingError(
            "A sink is chosen whose settings are incomplete.",
            where=f"RECOVERY_{name.upper()}",
            remedy="Set it, or take the sink out of RECOVERY_SINKS.",
        )


def _file(settings: Settings) -> Sink:
    from recovery.sinks.folder import FileSink

    return FileSink(settings.var_dir / "delivered")


def _smtp(settings: Settings) -> Sink:
    from recovery.sinks.dkim_signing import DkimSigner
    from recovery.sinks.smtp import SmtpSink
    from recovery.sinks.smtp_client import SmtpServer

    password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
    signer = None
    if settings.dkim_key_file is not None:
        domain = settings.dkim_domain or (settings.sender_from_address or "").rpartition("@")[2]
        signer = DkimSigner(domain, settings.dkim_selector, _read(settings.dkim_key_file))
    server = SmtpServer(
        settings.smtp_host or "",
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_username,
        password,
        settings.smtp_timeout_seconds,
        settings.smtp_ca_file,
        settings.smtp_helo_name,
    )
    return SmtpSink(
        server,
        signer=signer,
        return_address=settings.smtp_return_address,
        pool=settings.smtp_connections,
        messages_per_connection=settings.smtp_messages_per_connection,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(
            f"The DKIM key cannot be read: {error.strerror}.",
            where=str(path),
            remedy="Set RECOVERY_DKIM_KEY_FILE to a private key in PEM form.",
        ) from error


def _webhook(settings: Settings) -> Sink:
    from recovery.sinks.webhook import WebhookSink, WebhookTarget

    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
    target = WebhookTarget(
        settings.webhook_url or "", frozenset(settings.webhook_trusted_hosts), settings.webhook_is_idempotent
    )
    return WebhookSink(target, secret)
