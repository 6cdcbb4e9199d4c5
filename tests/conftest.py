"""Shared ground of the tests: no network but loopback, no telemetry, no environment of the developer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from contracts.offline import silence

silence()
# Two shared cores make time a poor judge of an example; a pipeline of changes wants the same examples every time.
settings.register_profile("recovery", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("recovery")

EXAMPLE_DATA = Path(os.environ.get("RECOVERY_EXAMPLE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a module stay on one worker, so that what a module shares is built once; slow ones may be spread."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::", 1)[0]))


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """Only loopback and local sockets may be connected to."""
    import pytest_socket

    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    yield
    pytest_socket._remove_restrictions()


@pytest.fixture(autouse=True)
def _clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings come from defaults and the test alone, never from a `.env` or the shell."""
    for name in list(os.environ):
        if name.startswith("RECOVERY_") and name != "RECOVERY_EXAMPLE_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setitem(__import__("contracts.settings").settings.Settings.model_config, "env_file", None)


@pytest.fixture
def example_data() -> Path:
    """Folder of public tables; the test is skipped where it is absent."""
    if not EXAMPLE_DATA.exists():
        pytest.skip(f"public tables are not at {EXAMPLE_DATA}; set RECOVERY_EXAMPLE_DATA")
    return EXAMPLE_DATA
