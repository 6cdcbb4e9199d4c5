"""The delivery's large proofs: kills, failpoints, and a canary string per person."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from bench.delivery_canaries import foreign_canaries
from bench.delivery_ledger import ledger_figures
from bench.rows import ROOT, Origin, Row, make_row

_RUNS: Final = 1_000
_TOUCHES: Final = 2_500
_WORKERS: Final = 2
_CROWDS: Final = 50
_CROWD: Final = 16
_LEDGER: Final = 50_000_000
_PEOPLE: Final = 1_000_000


def random_kills(origin_: Origin, share: float) -> list[Row]:
    """Runs of a 2,500-touch batch, one SIGKILL at a random moment each, against a recording SMTP server."""
    runs = max(1, round(_RUNS * share))
    fates = _fates("--runs", str(runs), "--touches", str(_TOUCHES), "--workers", str(_WORKERS))[1:]
    killed = sum(fate["was_killed"] for fate in fates)
    return [
        *_verdict(origin_, f"{runs:,} random kills", fates),
        make_row(origin_, f"{runs:,} random kills: most unknown in a run", [max(f["unknown"] for f in fates)],
                 "touches", target=50 * _WORKERS),
        make_row(origin_, f"{runs:,} random kills: died before they were done", [killed], "runs"),
    ]  # fmt: skip


def failpoints(origin_: Origin, _share: float) -> list[Row]:
    """A 50-touch run killed at each occurrence of each durable write and each handing over."""
    fates = _fates("--touches", "50", "--workers", "1")[1:]
    return _verdict(origin_, f"{len(fates)} kills at failpoints", fates)


def canaries(origin_: Origin, share: float) -> list[Row]:
    """A canary string per person, 8 threads, groups of 1 to 1,000: nobody sees another's."""
    people = max(1_000, round(_PEOPLE * share))
    foreign, missing = foreign_canaries(people)
    return [
        make_row(origin_, f"{people:,} touches: foreign canaries", [foreign], "messages", target=0),
        make_row(origin_, f"{people:,} touches: missing or doubled", [missing], "messages", target=0),
    ]


def crowds(origin_: Origin, share: float) -> list[Row]:
    """Two schedulers with 16 workers each on one ledger at once, one of them killed at a random moment."""
    runs = max(1, round(_CROWDS * share))
    fates = _fates("--crowd", "--runs", str(runs), "--touches", str(_TOUCHES), "--workers", str(_CROWD))
    unknown = max(fate["unknown"] for fate in fates)
    name = f"{runs:,} crowds of 2 x {_CROWD} workers"
    return [
        *_verdict(origin_, name, fates),
        make_row(origin_, f"{name}: most unknown in a run", [unknown], "touches", target=50 * _CROWD),
    ]


def large_ledger(origin_: Origin, share: float) -> list[Row]:
    """Claim and opt-out on a ledger with fifty million touches."""
    return ledger_figures(origin_, touches=max(10_000, round(_LEDGER * share)))


def _verdict(origin_: Origin, name: str, fates: list[dict[str, Any]]) -> list[Row]:
    broken = sum(not (fate["is_conserved"] and fate["is_chain_whole"]) for fate in fates)
    return [
        make_row(origin_, f"{name}: duplicates", [sum(f["duplicates"] for f in fates)], "messages", target=0),
        make_row(origin_, f"{name}: lost", [sum(f["lost"] for f in fates)], "touches", target=0),
        make_row(origin_, f"{name}: conservation or audit broken", [broken], "runs", target=0),
    ]


def _fates(*options: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.delivery_kills", str(Path(folder)), *options]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
