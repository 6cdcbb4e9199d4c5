"""Runs the feedback application: uvicorn on loopback, until it is told to stop."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvicorn

from contracts.errors import BusyError, SettingError
from contracts.settings import Settings
from recovery.addresses import load_address_key
from recovery.ledger.engine import make_engine, migrate
from recovery.tokens import load_ring
from serving.app import feedback_app
from serving.feedback import Feedback

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@contextmanager
def open_feedback(settings: Settings) -> Iterator[Feedback]:
    """Everything that the routes need, from settings and `var/secrets`; closed at the end.

    Raises:
        SettingError: a secret cannot be used.
        PassingError: the ledger does not answer.
    """
    engine = make_engine(settings.ledger_sqlalchemy_url)
    try:
        migrate(engine)
        yield Feedback(
            engine=engine,
            ring=load_ring(settings.secrets_dir),
            sender_ids=(settings.sender_id, *(name for name in settings.former_sender_ids if name)),
            sender_name=settings.sender_name or "The sender",
            webhook_secrets=read_webhook_secrets(settings.secrets_dir),
            hash_address=load_address_key(settings.secrets_dir).hash,
            clock=lambda: datetime.now(UTC).replace(tzinfo=None),
        )
    finally:
        engine.dispose()


def read_webhook_secrets(folder: Path) -> Mapping[str, Sequence[str]]:
    """Secrets by provider: the lines of `webhook_in_<provider>` files; several lines while one is being replaced.

    Raises:
        SettingError: a line is no secret of Standard Webhooks.
    """
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("webhook_in_*")):
        lines = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
        for line in lines:
            _check_secret(line, path)
        found[path.name.removeprefix("webhook_in_")] = lines
    return found


def _check_secret(line: str, path: Path) -> None:
    try:
        is_long_enough = len(base64.b64decode(line.removeprefix("whsec_") + "==")) >= 24
    except (binascii.Error, ValueError):
        is_long_enough = False
    if not is_long_enough:
        raise SettingError(
            "A webhook secret cannot be used.",
            where=str(path),
            remedy="Write the provider's secret there: at least 24 bytes in base64, with or without whsec_ in front.",
        )


def serve_feedback(settings: Settings, *, host: str, port: int) -> None:
    """Answer until stopped.

    Args:
        settings: of the installation.
        host: loopback by default; another address only behind a proxy that ends TLS.
        port: 0 picks a free one.

    Raises:
        BusyError: the port is taken.
    """
    with open_feedback(settings) as feedback:
        config = uvicorn.Config(
            feedback_app(feedback),
            host=host,
            port=port,
            access_log=False,  # paths hold tokens
            server_header=False,
            log_level="warning",
            proxy_headers=False,
            timeout_keep_alive=10,
            h11_max_incomplete_event_size=64 * 1024,
        )
        server = uvicorn.Server(config)
        try:
            server.run()
        except SystemExit as error:
            raise BusyError(
                f"Port {port} cannot be served.", where=f"{host}:{port}", remedy="Stop what uses it, or set --port."
            ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    return host in _LOOPBACK
