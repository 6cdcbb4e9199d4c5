from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.errors import BadInputError
from contracts.summary import RunSummary
from pipelines.feedback.report.facts import DayFacts, Population, Scores
from pipelines.feedback.report.summary import build_summary, write_summary
from pipelines.feedback.report.table import marketer_table
from pipelines.feedback.report_assets import accounts_for_everyone, write_report
from tests.pipelines.feedback.report_world import AS_OF, BATCH, write_day


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    root = tmp_path_factory.mktemp("day")
    _, summary = write_report(write_day(root), AS_OF, seconds={"ingest": 1.5})
    return root, summary


def test_summary_holds_the_days_figures(written: tuple[Path, RunSummary]) -> None:
    _, summary = written
    assert (summary.people, summary.dormant, summary.rows_in, summary.rows_rejected) == (600, 400, 1570, 21)
    assert summary.scores.rows + sum(summary.scores.unscored.values()) == summary.dormant
    assert (summary.champion.version, summary.champion.score_kind, summary.champion.roc_auc) == ("3", "model", 0.742)
    assert (summary.batch.id, summary.batch.planned, summary.batch.held_out) == (BATCH, 60, 6)
    assert summary.batch.planned + summary.batch.held_out + sum(summary.batch.skipped.values()) == summary.dormant
    assert summary.batch.power.controls == 24
    assert summary.drift.share_drifted == 0.12
    assert summary.seconds == {"ingest": 1.5}


def test_paths_lead_from_the_root_to_what_exists(written: tuple[Path, RunSummary]) -> None:
    root, summary = written
    for path in (summary.report, summary.scores.path, summary.batch.path):
        assert path is not None
        assert not Path(path).is_absolute()
        assert (root / path).exists()


def test_the_file_is_the_summary(written: tuple[Path, RunSummary]) -> None:
    root, summary = written
    assert RunSummary.model_validate_json((root / "var" / "summary.json").read_bytes()) == summary


def test_people_who_are_neither_scored_nor_counted_are_an_error() -> None:
    with pytest.raises(BadInputError, match="5 scored and 1 unscored people do not add up to 7"):
        build_summary(DayFacts(AS_OF, population=Population(9, 7), scores=Scores(5, {"objected": 1})))


def test_an_empty_day_has_a_summary(tmp_path: Path) -> None:
    summary = build_summary(DayFacts(AS_OF))
    write_summary(tmp_path / "summary.json", summary)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["champion"]["name"] == "none"
    assert found["batch"]["id"] is None
    assert found["seconds"] == {}


def test_conservation_is_judged_from_the_summary(written: tuple[Path, RunSummary]) -> None:
    _, summary = written
    assert accounts_for_everyone(summary, AS_OF)[0]
    lost = summary.model_copy(update={"batch": summary.batch.model_copy(update={"planned": 59})})
    assert not accounts_for_everyone(lost, AS_OF)[0]
    assert not accounts_for_everyone(summary, AS_OF.replace(year=2027))[0]
    assert accounts_for_everyone(build_summary(DayFacts(AS_OF)), AS_OF)[0]


def test_marketer_table_has_one_cell_per_day_and_no_jargon(written: tuple[Path, RunSummary]) -> None:
    _, summary = written
    empty = build_summary(replace(DayFacts(AS_OF)))
    rows = {row[0].strip(): row[1:] for row in marketer_table([empty, summary])}
    assert {len(cells) for cells in rows.values()} == {2}
    assert rows["Dormant leads"] == ("0", "400 (67%)")
    assert rows["how well it ranks"] == ("not measured yet", "74% of pairs in the right order")
    assert rows["What keeps most people out"][0] == "–"
    assert rows["What keeps most people out"][1].startswith("country missing: 108")
    assert rows["smallest effect that would show"] == ("–", "4.3 points")
    assert rows["Model that ranks them"] == ("none yet", "hist gradient boosting v3 (learned)")
    assert "_" not in "".join(cell for row in rows.values() for cell in row)
