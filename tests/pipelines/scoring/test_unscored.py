"""Who restricted, objected or was erased, by the ledger, carries no score and is counted with the reason."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from contracts.published import read_manifest, read_published
from contracts.words import SuppressionReason
from pipelines.resources import Engine
from pipelines.scoring.frames import unscored_people
from pipelines.scoring.unscored import publish_unscored
from recovery.addresses import load_address_key
from recovery.ledger import Ledger, open_ledger
from recovery.ledger.engine import writing
from recovery.permission import Stance
from recovery.permission.book import Entry, record_import
from recovery.rights.asking import RequestKind
from recovery.rights.matching import Identifiers
from recovery.rights.requests import erase_from_ledger, merge, restrict
from tests.models.marts import AS_OF, engine_at, fill, snapshots
from tests.pipelines.training.conftest import run_day

NOW = datetime(2026, 6, 1, 5)  # after the date began, an hour before the run
BEFORE = datetime(2026, 5, 20)
PEOPLE = 40


def who(number: int) -> str:
    return f"p{number:06d}"


class Desk:
    """What people ask for, written into the ledger of an installation."""

    def __init__(self, engine: Engine, ledger: Ledger) -> None:
        self.key, self.ledger = load_address_key(engine.settings.secrets_dir), ledger

    def restrict(self, person: str, at: datetime = NOW, *, kind: RequestKind = RequestKind.RESTRICT) -> None:
        restrict(self.ledger.engine, person, kind=kind, reason="asked", by="desk", now=at)

    def merge(self, one: str, other: str) -> None:
        merge(self.ledger.engine, one, other, kind=RequestKind.MERGE, why="same", by="desk", now=NOW)

    def refuse(self, number: int, basis: SuppressionReason, channel: str = "all", at: datetime = NOW) -> None:
        entry = Entry(channel, Stance.REFUSED, basis, "list", self.key.hash(f"{who(number)}@x.example"), since=at)
        with writing(self.ledger.engine) as connection:
            record_import(connection, [entry], now=at)

    def erase(self, number: int) -> None:
        blocked = [(self.key.hash(f"{who(number)}@x.example"), "all")]
        erase_from_ledger(self.ledger.engine, Identifiers(), suppress=blocked, sender_id="main", now=NOW)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return snapshots(people=PEOPLE, weeks=2)


def test_the_day_scores_nobody_who_may_not_be_scored_and_counts_them(tmp_path: Path, frame: pd.DataFrame) -> None:
    engine = engine_at(tmp_path)
    fill(engine, frame, objectors=(who(1), who(2)))
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        desk = Desk(engine, ledger)
        desk.restrict(who(2))  # beside an objection: the stricter is told
        desk.restrict("another half")
        desk.merge("another half", who(3))
        desk.restrict(who(4), NOW - timedelta(hours=1))
        desk.restrict(who(4), kind=RequestKind.LIFT)
        desk.refuse(5, SuppressionReason.OBJECTION)
        desk.refuse(6, SuppressionReason.COMPLAINT)
        desk.refuse(7, SuppressionReason.OPT_OUT)  # closes contact and says nothing about profiling
        desk.refuse(8, SuppressionReason.OBJECTION, channel="email")
        desk.erase(9)  # and is in the next export again
    result = run_day(engine, AS_OF)
    manifest = read_manifest(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)
    assert manifest is not None
    assert manifest.facts["unscored"] == {"objected": 4, "restricted": 2, "no_model": 0}
    assert manifest.rows + sum(manifest.facts["unscored"].values()) == manifest.facts["dormant"] == PEOPLE
    scored = set(
        read_published(engine.settings.published_dir, dataset="lead_scores", as_of=AS_OF)["person_id"].to_pylist()
    )
    assert {who(n) for n in range(PEOPLE)} - scored == {who(n) for n in (1, 2, 3, 5, 6, 9)}
    others = read_published(engine.settings.published_dir, dataset="unscored_people", as_of=AS_OF).to_pylist()
    assert {row["person_id"]: row["reason"] for row in others} == {
        who(n): "restricted" if n in (2, 3) else "objected" for n in (1, 2, 3, 5, 6, 9)
    }
    assert {(row["owner_id"], row["team_id"]) for row in others} == {("owner-1", "team-1")}
    verdicts = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert verdicts["people_who_objected_are_not_scored"]
    assert verdicts["every_dormant_person_is_scored_or_counted"]


def test_whoever_is_not_dormant_is_known_without_a_score(tmp_path: Path, frame: pd.DataFrame) -> None:
    engine = engine_at(tmp_path)
    fill(engine, frame)
    with engine.warehouse.open() as connection:
        connection.execute(
            "update marts.dim_people set is_dormant = false, not_dormant_reason = 'recently_active' "
            "where person_id = ?",
            [who(3)],
        )
    first = publish_unscored(engine, as_of=AS_OF)
    assert first is not None
    (row,) = read_published(engine.settings.published_dir, dataset="unscored_people", as_of=AS_OF).to_pylist()
    assert row == {"person_id": who(3), "owner_id": "owner-1", "team_id": "team-1", "reason": "recently_active"}
    assert publish_unscored(engine, as_of=AS_OF) == first
    assert publish_unscored(engine, as_of=AS_OF - timedelta(days=7)) is None, "an older date is not what people are now"


def reasons(engine: Engine) -> dict[str, str]:
    with engine.warehouse.open() as connection:
        return unscored_people(engine, connection, as_of=AS_OF)


@pytest.mark.parametrize("seed", range(5))
def test_a_restriction_always_wins_and_everybody_has_one_reason(tmp_path: Path, frame: pd.DataFrame, seed: int) -> None:
    rng = random.Random(seed)
    engine = engine_at(tmp_path)
    objectors = rng.sample(range(PEOPLE), 6)
    fill(engine, frame, objectors=tuple(who(n) for n in objectors))
    restricted, refused = rng.sample(range(PEOPLE), 8), rng.sample(range(PEOPLE), 8)
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        desk = Desk(engine, ledger)
        for n in restricted:
            desk.restrict(who(n))
        for n in refused:
            desk.refuse(n, rng.choice([SuppressionReason.OBJECTION, SuppressionReason.COMPLAINT]))
    found = reasons(engine)
    assert set(found) == {who(n) for n in {*objectors, *restricted, *refused}}
    assert Counter(found.values())["restricted"] == len(restricted)


def test_an_older_date_keeps_its_objections_and_no_date_scores_who_is_restricted(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    engine = engine_at(tmp_path)
    fill(engine, frame)
    with open_ledger(engine.settings.ledger_sqlalchemy_url) as ledger:
        desk = Desk(engine, ledger)
        desk.refuse(1, SuppressionReason.OBJECTION, at=BEFORE)
        desk.refuse(2, SuppressionReason.OBJECTION)
        desk.restrict(who(3))
    newest = reasons(engine)
    assert newest == {who(1): "objected", who(2): "objected", who(3): "restricted"}
    folder = engine.settings.published_dir / "lead_scores"
    folder.mkdir(parents=True)
    (folder / "latest.json").write_text('{"as_of_date": "2026-06-08"}')
    assert not engine.is_newest(AS_OF)
    assert reasons(engine) == {who(1): "objected", who(3): "restricted"}
