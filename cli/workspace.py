"""Which installation a command works on: one set of sources and one folder of state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts.errors import SettingError
from contracts.settings import Settings
from pipelines.resources import PROJECT_ROOT, Engine

# The demo's sender; a real installation names its own with `recovery init`.
DEMO_SENDER: Final[dict[str, str]] = {
    "sender_name": "Harbor & Pine (demo)",
    "sender_postal_address": "1 Example Street, Springfield, IL 62701, USA",
    "sender_from_address": "hello@harborandpine.example",
    "unsubscribe_url": "https://harborandpine.example/unsubscribe",
}


@dataclass(frozen=True)
class Workspace:
    """One installation.

    Attributes:
        engine: settings and stores for the pipelines.
        sources: its `sources.yml`.
        is_demo: the simulated world is its source.
    """

    engine: Engine
    sources: Path
    is_demo: bool

    @property
    def var_dir(self) -> Path:
        """Folder of all its state."""
        return self.engine.settings.var_dir


def base_var() -> Path:
    """The configured folder of state, absolute."""
    return PROJECT_ROOT / Settings().var_dir


def world_dir(var_dir: Path) -> Path:
    """Where the demo's exports lie."""
    return var_dir / "world"


def truth_dir(var_dir: Path) -> Path:
    """Where the demo's hidden truth lies; the pipelines never read it."""
    return var_dir / "truth"


def demo_workspace(**overrides: Any) -> Workspace:
    """The installation whose source is the simulated world."""
    sources = world_dir(base_var()) / "sources.yml"
    engine = Engine(root=str(PROJECT_ROOT), overrides={"sources_file": str(sources), **_demo_sender(), **overrides})
    return Workspace(engine=engine, sources=sources, is_demo=True)


def find_workspace(sources: Path | None = None) -> Workspace:
    """The installation for `sources`, or the configured one, or else the demo.

    State of sources that are not the configured ones lives apart, in `var/workspaces/<name>`, so that a trial never
    mixes with another installation.

    Raises:
        SettingError: the file is missing, or nothing is configured yet.
    """
    configured = PROJECT_ROOT / Settings().sources_file
    if sources is not None:
        chosen = sources.absolute()
        if not chosen.exists():
            raise SettingError(
                "The sources file does not exist.",
                where=str(sources),
                remedy="Give the path of a sources.yml, e.g. examples/olist/sources.yml.",
            )
        if chosen == configured.absolute():
            return _configured(configured)
        if chosen == (world_dir(base_var()) / "sources.yml").absolute():
            return demo_workspace()
        var_dir = base_var() / "workspaces" / _slug(chosen)
        overrides = {"sources_file": str(chosen), "var_dir": str(var_dir)}
        return Workspace(Engine(root=str(PROJECT_ROOT), overrides=overrides), chosen, is_demo=False)
    if configured.exists():
        return _configured(configured)
    if (world_dir(base_var()) / "sources.yml").exists():
        return demo_workspace()
    raise SettingError(
        "No sources are declared yet.",
        where=str(configured),
        remedy="Run `recovery init` for your own exports, or `make demo` for the simulated world.",
    )


def _configured(path: Path) -> Workspace:
    return Workspace(Engine(root=str(PROJECT_ROOT)), path, is_demo=False)


def _demo_sender() -> dict[str, str]:
    settings = Settings()
    return {name: value for name, value in DEMO_SENDER.items() if getattr(settings, name) is None}


def _slug(path: Path) -> str:
    name = path.parent.name if path.stem == "sources" else path.stem
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "own"
