"""The API as a process: reads settings, opens stores, and hands them to the application."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from contracts.errors import BusyError, SettingError
from contracts.offline import silence
from contracts.settings import Settings
from recovery.access import KeyStore, add_usage
from recovery.access.activities import told_since
from recovery.access.answers import forget_answers
from recovery.ledger import open_ledger
from recovery.ledger.engine import make_engine
from serving.api.app import create_app
from serving.api.auth import Authenticator
from serving.api.housekeeping import Housekeeper
from serving.api.limits import Limiter, MemoryLimiter, RedisLimiter
from serving.api.live import Source
from serving.api.metering import Figures, UsageMeter, share_figures
from serving.api.patience import ANSWER_SECONDS, Patience
from serving.api.rescoring import Rescorer
from serving.api.state import ApiState
from serving.api.timed_http import TimedHttp
from serving.api.tokens import JwtRules, key_finder
from serving.api.told import Told

DRAIN_SECONDS: Final = 10  # requests at work may take so long after the order to stop
_HUNG_SECONDS: Final = 30  # a worker that is silent so long is replaced; hogs of the machine must not look like it


def build_state(settings: Settings, *, workers: int = 1) -> ApiState:
    """Everything that the routes use, from the settings.

    Args:
        settings: of the installation.
        workers: processes that share the limits when there is no Redis: each allows its part.

    Raises:
        SettingError: web tokens are half configured, or the ledger's address is wrong.
        PassingError: the ledger does not answer.
    """

    def now() -> datetime:
        return datetime.now(UTC)

    url = settings.ledger_sqlalchemy_url
    open_ledger(url).close()  # brings the tables to the newest revision
    engine = make_engine(url, wait_seconds=ANSWER_SECONDS)
    patience = Patience()
    cache = settings.var_dir / "cache" / "api"
    source = Source(settings.published_dir, secrets=settings.secrets_dir, cache=cache, now=now)
    return ApiState(
        source=source,
        authenticator=Authenticator(KeyStore(engine), _rules(settings), patience=patience),
        limiter=_limiter(settings, share=1 / workers),
        failures=MemoryLimiter(share=1 / workers),
        ledger=engine,
        published=settings.published_dir,
        told=Told(partial(told_since, engine), cache / "told", lambda: source.live.as_of, patience=patience),
        rescorer=Rescorer(settings.published_dir),
        housekeeper=Housekeeper(lambda: forget_answers(engine, now=now().replace(tzinfo=None))),
        figures=Figures(settings.api_latency_ms / 1_000),
        usage=UsageMeter(lambda counts: add_usage(engine, counts), lambda: now().date()),
        now=now,
    )


def _rules(settings: Settings) -> JwtRules | None:
    given = (settings.api_jwt_issuer, settings.api_jwt_audience, settings.api_jwks)
    if not any(given):
        return None
    issuer, audience, jwks = given
    if issuer is None or audience is None or jwks is None:
        raise SettingError(
            "Web tokens need an issuer, an audience and the issuer's keys.",
            where="RECOVERY_API_JWT_ISSUER, RECOVERY_API_JWT_AUDIENCE, RECOVERY_API_JWKS",
            remedy="Set all three, or none to accept API keys only.",
        )
    key_finder(jwks)  # a wrong one is told at the start
    return JwtRules(issuer, audience, jwks, settings.api_per_minute)


def _limiter(settings: Settings, *, share: float) -> Limiter:
    own = MemoryLimiter(share=share)
    if settings.redis_url is None:
        return own
    import redis

    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=0.2, socket_timeout=0.2)
    return RedisLimiter(client, own)


def make_app(settings: Settings, *, workers: int = 1) -> FastAPI:
    """The application of one of several processes."""
    silence()
    return create_app(build_state(settings, workers=workers))


def serve_api(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Answer until stopped; requests at work are finished first, and a worker that dies is replaced.

    Args:
        settings: of the installation, paths absolute.
        host, port: where to listen.
        workers: processes that share the port.

    Raises:
        BusyError: the port is taken.
        SettingError, PassingError: see `build_state`.
    """
    silence()
    _rules(settings)  # what is wrong with the settings or the ledger is told here, not by each worker
    open_ledger(settings.ledger_sqlalchemy_url).close()
    trusted = settings.api_trusted_proxies
    config = uvicorn.Config(
        partial(make_app, settings, workers=workers),
        factory=True,
        workers=workers,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        log_level="error",
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted or None,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_worker_healthcheck=_HUNG_SECONDS,
        http=TimedHttp,
        limit_concurrency=4_096,
        backlog=4_096,
    )
    try:
        socket = config.bind_socket()
    except SystemExit as error:
        raise BusyError(
            f"Port {port} cannot be served.", where=f"{host}:{port}", remedy="Stop what uses it, or set --port."
        ) from error
    if workers == 1:
        uvicorn.Server(config).run(sockets=[socket])
    else:
        share_figures(settings.var_dir / "cache" / "api" / f"figures-{port}")
        Multiprocess(config, sockets=[socket]).run()
