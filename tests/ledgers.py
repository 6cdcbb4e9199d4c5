"""Ledgers for tests on SQLite and PostgreSQL; the tables are made once per session and copied."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from recovery.ledger import Ledger, open_ledger
from recovery.ledger.engine import make_engine
from recovery.ledger.schema import metadata

ADMIN = os.environ.get("RECOVERY_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")
DATABASES = ("sqlite", "postgresql")


class LedgerTemplates:
    """Empty ledgers with all tables: a copied file, or one database per process whose tables are emptied."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._made: dict[str, str] = {}

    def fresh(self, kind: str, folder: Path) -> str:
        """URL of an empty ledger; on PostgreSQL the same one, emptied, at every call."""
        if kind == "sqlite":
            path = folder / "ledger.sqlite"
            shutil.copyfile(self._template(kind), path)
            return f"sqlite:///{path}"
        url = self._template(kind)
        engine = make_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"truncate {', '.join(metadata.tables)}")
        engine.dispose()
        return url

    def _template(self, kind: str) -> str:
        if kind not in self._made:
            if kind == "sqlite":
                path = self._folder / "template.sqlite"
                open_ledger(f"sqlite:///{path}").close()
                self._made[kind] = str(path)
            else:
                url = self._stack.enter_context(temporary_database())
                open_ledger(url).close()
                self._made[kind] = url
        return self._made[kind]


@contextmanager
def temporary_database() -> Iterator[str]:
    """URL of a PostgreSQL database that is dropped afterwards; the test is skipped where there is no server."""
    name = f"ledger_{uuid.uuid4().hex}"
    admin = sa.create_engine(
        ADMIN, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 10}
    )
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"create database {name}")
    except sa.exc.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL at {admin.url.host}:{admin.url.port}: {error.orig}")
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def ledger_templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerTemplates]:
    """Made once per process."""
    with ExitStack() as stack:
        yield LedgerTemplates(tmp_path_factory.mktemp("ledgers"), stack)


@pytest.fixture(params=DATABASES)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/deep/folder/ledger.sqlite"
        return
    with temporary_database() as url:
        yield url


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path, ledger_templates: LedgerTemplates) -> str:
    """URL of an empty ledger with all tables."""
    return ledger_templates.fresh(request.param, tmp_path)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    with open_ledger(url) as opened:
        yield opened


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """Engine of an empty ledger with all tables."""
    made = make_engine(url)
    yield made
    made.dispose()
