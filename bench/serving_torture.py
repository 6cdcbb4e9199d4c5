"""Large proofs of the API: generated requests over the whole OpenAPI, the daily job's number, half an hour of load."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import httpx

from bench.platform_day import settings_of
from bench.rows import BENCH_DIR, Origin, Row, make_row
from bench.serving import service_of
from bench.serving_endurance import SECONDS, endurance_rows
from bench.serving_ground import make_ground
from bench.serving_same import compare
from bench.serving_schema import check_operations, check_sequences
from bench.world import SECOND_DAY, World, write
from pipelines.resources import Engine
from pipelines.run import run_day
from recovery.access import KeyStore, Role
from recovery.ledger import open_ledger

CASES = 2_000
PEOPLE = 10_000


def schema_rows(at: Origin, share: float) -> list[Row]:
    """`CASES` generated requests an operation, and a tenth as many sequences along the links."""
    cases = max(2, int(CASES * share))
    ground = make_ground(_folder("schema"), people=1_000)
    people = [f"00000000-0000-5000-8000-{number:012d}" for number in range(50)]
    with service_of(ground.var_dir, path="/v1/score", body={}, token=ground.token) as service:
        base = service.url.removesuffix("/v1/score")
        single = check_operations(base, token=ground.token, people=people, cases=cases, is_fixed=False)
        runs = max(1, cases // 10)
        linked = check_sequences(base, token=ground.token, people=people, runs=runs, is_fixed=False)
    # A day without a drift report has none to tell, and says so with 503.
    broken = [one for one in (*single.failures, *linked.failures) if not one.startswith("GET /v1/drift 503")]
    sent = sum(single.cases.values()) + sum(linked.cases.values())
    return [
        make_row(at, "generated requests", [float(sent)], "requests"),
        make_row(at, "answers that broke the OpenAPI, or 5xx", [float(len(broken))], "answers", target=0),
        make_row(at, "answers later than a second", [float(len(single.slow + linked.slow))], "answers", target=0),
    ]


def same_number_rows(at: Origin, share: float) -> list[Row]:
    """Everyone of a simulated world by the API, known and described, beside the daily job."""
    folder = _folder("same")
    world = World(folder / "world", max(200, int(PEOPLE * share)))
    write(world, SECOND_DAY, since=None)
    var_dir = folder / "var"
    run_day(Engine(overrides=settings_of(var_dir, world.sources)), SECOND_DAY)
    url = f"sqlite:///{var_dir / 'ledger' / 'ledger.sqlite'}"
    with open_ledger(url) as ledger:
        now = datetime.now(UTC).replace(tzinfo=None)
        _, token = KeyStore(ledger.engine).issue(name="torture", role=Role.VIEWER, now=now, per_minute=1_000_000)
    with service_of(var_dir, path="/v1/score", body={}, token=token) as service:
        base = service.url.removesuffix("/v1/score")
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=120) as client:
            found = compare(client, var_dir / "published", SECOND_DAY)
    return [
        make_row(at, "people scored by the daily job", [float(found.people)], "people"),
        make_row(at, "largest difference of p, asked by id", [found.known], "", target=1e-9),
        make_row(at, "largest difference of p, described", [found.described], "", target=1e-9),
        make_row(at, "answers with other points or reasons", [float(found.other_answers)], "answers", target=0),
    ]


def lasting_rows(at: Origin, share: float) -> list[Row]:
    """Half an hour at half load, with promotions."""
    return endurance_rows(at, _folder("endurance"), seconds=max(12.0, SECONDS * share))


def _folder(name: str) -> Path:
    folder = BENCH_DIR / f"torture-api-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
