"""A small installation on a temporary folder, and the `recovery` command on it as a person types it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from cli.console import err, out
from cli.main import main
from contracts.settings import Settings
from pipelines.resources import Engine
from recovery.delivery.counts import count_batch
from recovery.delivery.words import TouchState
from recovery.ledger import BatchRecord, ledger_url, open_ledger
from tests.pipelines.campaigns.world import SENDER, World

MORNING = "2026-06-01T05:00:00+00:00"
AFTERNOON = "2026-06-01T15:00:00+00:00"


@dataclass(frozen=True)
class Told:
    """What a command said: exit code, text with its lines joined, and the part on stderr."""

    code: int
    text: str
    errors: str


class Installation:
    """Settings come from the environment, as for a user; only the clock is ours."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.world, self._patch, self._capture = World(folder), patch, capture
        self.clock = MORNING
        patch.setattr(Engine, "now", lambda _engine: datetime.fromisoformat(self.clock))
        for screen in (out, err):
            patch.setattr(screen, "_width", 300)  # long paths stay whole
        (folder / "sources.yml").write_text("version: 1\nsources: []\n")
        self.set(var_dir=folder / "var", sources_file=folder / "sources.yml", capacity_email=20, capacity_call=4)
        self.set(**SENDER)
        self.world.write()

    def set(self, **settings: object) -> None:
        """Change settings; containers as JSON."""
        for name, value in settings.items():
            text = json.dumps(value) if isinstance(value, dict | list | bool) else str(value)
            self._patch.setenv(f"RECOVERY_{name.upper()}", text)

    def run(self, *words: str) -> Told:
        """`recovery WORDS`."""
        self._patch.setattr(sys, "argv", ["recovery", *words])
        self._capture.readouterr()
        try:
            main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
        captured = self._capture.readouterr()
        return Told(code, _joined(captured.out + captured.err), _joined(captured.err))

    @property
    def settings(self) -> Settings:
        return Engine().settings

    def batches(self) -> tuple[BatchRecord, ...]:
        with open_ledger(ledger_url(None, self.settings.var_dir)) as ledger:
            return ledger.batches()

    def count(self, state: TouchState, batch: int = 0) -> int:
        with open_ledger(ledger_url(None, self.settings.var_dir)) as ledger:
            return count_batch(ledger.engine, ledger.batches()[batch].batch_id).total(state)


def _joined(text: str) -> str:
    return re.sub(r"[\s│╭╮╰╯─┃]+", " ", text)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    return Installation(tmp_path, monkeypatch, capsys)
