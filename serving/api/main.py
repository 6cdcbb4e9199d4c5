"""The API as a process: reads settings, opens stores, and hands them to the application."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import FastAPI

from contracts.errors import SettingError
from contracts.offline import silence
from contracts.settings import Settings
from recovery.access import KeyStore, add_usage
from recovery.ledger import ledger_url, open_ledger
from recovery.ledger.engine import make_engine
from serving.api.app import create_app
from serving.api.auth import Authenticator, JwtRules
from serving.api.limits import Limiter, MemoryLimiter, RedisLimiter
from serving.api.live import Source
from serving.api.metering import Figures, UsageMeter
from serving.api.state import ApiState


def build_state(settings: Settings) -> ApiState:
    """Everything that the routes use, from the settings.

    Raises:
        SettingError: web tokens are half configured, or the ledger's address is wrong.
        PassingError: the ledger does not answer.
    """

    def now() -> datetime:
        return datetime.now(UTC)

    explicit = settings.ledger_url.get_secret_value() if settings.ledger_url else None
    url = ledger_url(explicit, settings.var_dir)
    open_ledger(url).close()  # brings the tables to the newest revision
    engine = make_engine(url)
    return ApiState(
        source=Source(
            settings.published_dir,
            secrets=settings.secrets_dir,
            cache=settings.var_dir / "cache" / "api",
            now=now,
        ),
        authenticator=Authenticator(KeyStore(engine), _rules(settings)),
        limiter=_limiter(settings),
        failures=MemoryLimiter(),
        ledger=engine,
        published=settings.published_dir,
        figures=Figures(),
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
    return JwtRules(issuer, audience, jwks, settings.api_per_minute)


def _limiter(settings: Settings) -> Limiter:
    own = MemoryLimiter(share=1 / settings.api_workers)
    if settings.redis_url is None:
        return own
    import redis

    client = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_connect_timeout=0.2, socket_timeout=0.2)
    return RedisLimiter(client, own)


def application() -> FastAPI:
    """The application of this environment; what a server process starts."""
    silence()
    return create_app(build_state(Settings()))
