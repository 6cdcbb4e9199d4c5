"""Connecting to the ledger and bringing its tables to the newest revision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.pool import NullPool, QueuePool

from contracts.errors import BusyError, PassingError, PermanentError, SettingError
from recovery.failpoints import reach

HEAD: Final = "0004"
_LOCK_SECONDS: Final = 60.0
# Any fixed number: serialises migrations of one PostgreSQL database.
_ADVISORY_LOCK: Final = 5_202_611


def ledger_url(explicit: str | None, var_dir: Path) -> str:
    """URL of the ledger: the explicit one, else an SQLite file below `var_dir`."""
    return explicit or f"sqlite:///{(var_dir / 'ledger' / 'ledger.sqlite').absolute()}"


def make_engine(url: str, *, connections: int = 0, wait_seconds: float = _LOCK_SECONDS) -> sa.Engine:
    """Engine with durable settings; makes the folder of an SQLite file.

    Args:
        url: SQLAlchemy URL.
        connections: connections that are kept open for reuse; 0 opens one per transaction.
        wait_seconds: longest wait for a lock of SQLite; shorter than a minute it also bounds PostgreSQL's connecting
            and each of its statements.

    Raises:
        SettingError: the URL is neither SQLite nor PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise _bad_url() from error
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        threads = {"timeout": wait_seconds, "check_same_thread": False}
        engine = sa.create_engine(parsed, connect_args=threads, **_pool(connections))
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    if kind == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return sa.create_engine(parsed, connect_args=_bounds(wait_seconds), **_pool(connections))
    raise _bad_url()


def _bounds(wait_seconds: float) -> dict[str, Any]:
    if wait_seconds >= _LOCK_SECONDS:
        return {}
    milliseconds = round(1_000 * wait_seconds)
    return {
        "connect_timeout": max(2, round(wait_seconds)),  # libpq knows no shorter one
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        "tcp_user_timeout": milliseconds,
    }


def _pool(connections: int) -> dict[str, Any]:
    if connections == 0:
        return {"poolclass": NullPool}
    return {"poolclass": QueuePool, "pool_size": connections, "max_overflow": 4}


def _bad_url() -> SettingError:
    return SettingError(
        "The ledger's address must be an SQLite file or a PostgreSQL database.",
        where="RECOVERY_LEDGER_URL",
        remedy="Write sqlite:////absolute/path.sqlite or postgresql://user:password@host/database.",
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, also around DDL
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent read."""
    with _told(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine, name: str = "write") -> Iterator[sa.Connection]:
    """One durable transaction: all or nothing.

    Args:
        engine: of the ledger.
        name: of the failpoints `<name>.before_commit` and `<name>.after_commit`.
    """
    with _told(engine), engine.connect() as plain:
        connection = plain.execution_options(writes=True)
        with connection.begin():
            yield connection
            reach(f"{name}.before_commit")
    reach(f"{name}.after_commit")


@contextmanager
def _told(engine: sa.Engine) -> Iterator[None]:
    # The second kind comes from bulk copies, which bypass SQLAlchemy.
    try:
        yield
    except (sa.exc.OperationalError, engine.dialect.loaded_dbapi.OperationalError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise PassingError(
            f"The ledger does not answer: {reason}.",
            where=engine.url.render_as_string(hide_password=True),
            remedy="Start the database or free disk space, then run again; nothing was half-written.",
        ) from error
    except (sa.exc.DatabaseError, engine.dialect.loaded_dbapi.DatabaseError) as error:
        if type(getattr(error, "orig", error)) is not engine.dialect.loaded_dbapi.DatabaseError:
            raise  # a broken rule of a table is no broken file
        raise PermanentError(
            f"The ledger cannot be read: {str(getattr(error, 'orig', error)).strip()}.",
            where=engine.url.render_as_string(hide_password=True),
            remedy="Restore it from a backup and send with `recovery deliver --adopt`; see docs/runbook.md.",
        ) from error


def migrate(engine: sa.Engine) -> None:
    """Bring the tables to revision `HEAD`, once, whoever else starts at the same time.

    Raises:
        PermanentError: a newer version of the engine wrote this ledger.
        BusyError: another process migrates for more than a minute.
    """
    if _revision(engine) == HEAD:
        return
    with _exclusive(engine), writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        _upgrade(connection)


def _revision(engine: sa.Engine) -> str | None:
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("select version_num from alembic_version")).scalar()


@contextmanager
def _exclusive(engine: sa.Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    path = f"{engine.url.database}.lock"
    try:
        with FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise BusyError(
            "Another process changes the ledger's tables.", where=path, remedy="Wait for it, then run again."
        ) from error


def _upgrade(connection: sa.Connection) -> None:
    # Alembic is imported only when there is something to do: it costs a quarter of a second.
    from alembic import command
    from alembic.util import CommandError

    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError as error:
        raise PermanentError(
            f"The ledger's revision is not known here: {error}.",
            where="table alembic_version",
            remedy="A newer release wrote this ledger; install that release.",
        ) from error


def alembic_config(connection: sa.Connection) -> Any:
    """Alembic's configuration: our migrations, run on a connection inside its transaction."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
