"""`recovery assess` as a user runs it: tables of any make in, a report out, and a clear answer to bad input."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cli.commands_assess import split_names
from cli.main import app
from contracts.errors import BadInputError
from pipelines.assess.result import KEYS
from tests.models.assess.tables import donors, emails, leads, purchases

runner = CliRunner()


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOVERY_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("RECOVERY_DUCKDB_MEMORY", "1GB")


def _run(file: Path, *words: str, track: bool = False) -> dict[str, Any]:
    folder = file.parent / "report"
    told = runner.invoke(app, ["assess", str(file), *words, "--out", str(folder), "--track" if track else "--no-track"])
    assert told.exit_code == 0, (told.output, told.exception)
    assert (folder / "index.html").read_text().startswith("<!doctype html>")
    values: dict[str, Any] = json.loads((folder / "assess.json").read_text())
    assert set(KEYS) <= set(values)
    assert values["refused"] is None
    return values


def _refuse(file: Path, *words: str) -> str:
    folder = file.parent / "report"
    with pytest.raises(BadInputError) as caught:
        runner.invoke(app, ["assess", str(file), *words, "--out", str(folder), "--no-track"], catch_exceptions=False)
    values = json.loads((folder / "assess.json").read_text())
    assert set(KEYS) <= set(values)
    assert all(values[key] is None for key in KEYS if key != "seconds")
    assert values["refused"]
    assert not (folder / "index.html").exists()
    assert caught.value.remedy
    return str(caught.value)


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(order=np.arange(len(frame)))


def test_a_semicolon_file_in_latin_1_held_out_by_order(tmp_path: Path) -> None:
    frame = _ordered(leads(900)).rename(columns={"source": "Quelle für"})
    frame["minutes"] = frame["minutes"].map(lambda x: "" if pd.isna(x) else f"{x:.2f}".replace(".", ","))
    file = tmp_path / "leads.csv"
    file.write_bytes(frame.to_csv(index=False, sep=";").encode("cp1252"))
    values = _run(file, "--label", "WON", "--time", "order", "--test-share", "0.3", track=True)
    assert values["n"] == 900
    assert values["n_test"] == 270
    assert values["dropped"]["lead_id"].startswith("an identifier")
    assert values["dropped"]["fax"] == "no value in the rows"
    assert values["roc_auc"]["lo"] < values["roc_auc"]["value"] < values["roc_auc"]["hi"]
    assert values["roc_auc"]["value"] > 0.6
    assert values["profit"] is None
    assert values["uplift"] is None
    assert values["suspected_leaks"] == []
    assert any("decimal comma" in note for note in values["notes"])
    _check_run(tmp_path, values)


def _check_run(tmp_path: Path, values: dict[str, Any]) -> None:
    from models.tracking.assessments import EXPERIMENT
    from models.tracking.store import Tracking

    store = Tracking(f"sqlite:///{tmp_path / 'var' / 'mlflow' / 'mlflow.sqlite'}", None)
    experiment = store.client.get_experiment_by_name(EXPERIMENT)
    (run,) = store.client.search_runs([experiment.experiment_id])
    assert run.data.metrics["roc_auc.value"] == pytest.approx(values["roc_auc"]["value"])
    assert "leads.csv" not in json.dumps([run.data.params, run.data.tags])


def test_donors_are_ranked_by_what_they_bring(tmp_path: Path) -> None:
    frame = donors(3_600, columns=10)
    frame["set"] = np.where(np.arange(len(frame)) % 2, "learn", "validate")
    file = tmp_path / "donors.csv.gz"
    file.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    values = _run(
        file, "--label", "TARGET_B", "--value", "TARGET_D", "--cost", "1.0", "--test-filter", "set = 'validate'"
    )
    assert values["n_test"] == 1_800
    assert values["profit"]["policy"] > values["profit"]["all"]
    assert values["profit"]["none"] == 0
    assert 0 < values["profit"]["contacted"] < 1_800
    assert values["dropped"]["CONTROLN"].startswith("an identifier")
    assert values["dropped"]["set"] == "the same value in all training rows"
    assert values["suspected_leaks"] == []


def test_an_email_test_with_two_arms(tmp_path: Path) -> None:
    file = tmp_path / "emails.parquet"
    emails(9_000).assign(order=np.arange(9_000)).to_parquet(file)
    values = _run(file, "--label", "visit", "--treatment", "segment", "--time", "order")
    assert set(values["uplift"]) == {"Mens E-Mail", "Womens E-Mail"}
    for arm in values["uplift"].values():
        assert {"qini", "uplift_at_30", "policy_value"} <= set(arm)
        assert arm["policy_value"] > 0
    assert values["uplift"]["Womens E-Mail"]["uplift_at_30"] > values["uplift"]["Womens E-Mail"]["average_effect"]


def test_customers_stay_on_one_side_and_dates_are_proven(tmp_path: Path) -> None:
    file = tmp_path / "purchases.csv"
    purchases(400).to_csv(file, index=False)
    words = ("--test-filter", "customer_id < 'C00100'", "--group", "customer_id")
    values = _run(file, "--label", "buys", *words)
    assert values["n_test"] == 800
    assert "month" not in values["dropped"] or "lie outside" in values["dropped"]["month"]


def test_undersampled_rows_are_weighted_back(tmp_path: Path) -> None:
    frame = leads(6_000, base=-3.0)
    kept = (frame["won"] == "Yes") | (np.random.default_rng(1).random(len(frame)) < 0.2)
    part = _ordered(frame[kept].assign(weight=np.where(frame["won"][kept] == "Yes", 1.0, 5.0)))
    file = tmp_path / "part.csv"
    part.to_csv(file, index=False)
    values = _run(file, "--label", "won", "--population-weight", "weight", "--time", "order")
    assert values["base_rate"] == pytest.approx((frame["won"] == "Yes").mean(), rel=0.15)
    assert abs(values["calibration"]["intercept"]) < 0.4


@pytest.mark.parametrize(
    ("change", "words", "told"),
    [
        ({"won": "Yes"}, (), "one class"),
        ({}, ("--label", "wom"), "Did you mean 'won'"),
        ({}, ("--drop", "vissits"), "Did you mean 'visits'"),
        ({}, ("--time", "source"), "not a time"),
        ({}, ("--time", "won"), "two roles"),
        ({}, ("--value", "source"), "holds no numbers"),
        ({}, ("--test-filter", "visits > 1e9"), "holds out no row"),
        ({}, ("--test-filter", "visits >"), "cannot be used"),
        ({}, ("--test-filter", "true) from typed; drop table t; select (true"), "not one expression|cannot be used"),
        ({}, ("--test-filter", "(select count(*) from read_csv('/etc/passwd')) > 0"), "cannot be used"),
        ({}, ("--test-share", "0.99"), "too little"),
        ({}, ("--cost", "-1"), "cannot cost"),
        ({}, ("--positive", "maybe"), "never says"),
        ({"weight": -1.0}, ("--population-weight", "weight"), "below zero"),
    ],
)
def test_bad_input_gets_a_clear_answer(
    tmp_path: Path, change: dict[str, Any], words: tuple[str, ...], told: str
) -> None:
    file = tmp_path / "leads.csv"
    leads(300).assign(**change).to_csv(file, index=False)
    label = () if "--label" in words else ("--label", "won")
    assert re.search(told, _refuse(file, *label, *words))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"a,won\n", "no rows"),
        (bytes(range(256)) * 40, "not text|no column"),
        (b"PK\x03\x04" + b"\0" * 100, "workbook"),
        (leads(10).to_csv(index=False).encode(), "too few|one class"),
        (leads(120).to_csv(index=False).encode(), "too few"),
        (leads(300)[["lead_id", "fax", "won"]].to_csv(index=False).encode(), "No column can tell"),
    ],
)
def test_a_file_that_cannot_be_assessed_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes(content)
    assert re.search(told, _refuse(file, "--label", "won"))


def test_what_cannot_be_had_is_null_and_the_rest_is_told(tmp_path: Path) -> None:
    frame = _ordered(leads(600)).assign(gift=5.0, arm="mail")
    frame.loc[3, "gift"] = -2.0
    file = tmp_path / "odd.csv"
    frame.to_csv(file, index=False)
    values = _run(file, "--label", "won", "--time", "order", "--value", "gift", "--cost", "1", "--treatment", "arm")
    assert values["profit"] is None
    assert "below zero" in values["reasons"]["profit"]
    assert values["uplift"] is None
    assert "does not vary" in values["reasons"]["uplift"]
    assert values["roc_auc"]["value"] > 0.5


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("a", ("a",)), ("a, b", ("a", "b")), ('"a, b",c', ("a, b", "c")), (" , ", ())],
)
def test_names_to_drop_are_split_at_commas(text: str, names: tuple[str, ...]) -> None:
    assert split_names(text) == names


def test_a_later_row_that_looks_like_an_earlier_one_is_judged(tmp_path: Path) -> None:
    frame = leads(900).drop(columns=["lead_id", "noise"]).round({"minutes": 0})
    frame.loc[750:, frame.columns] = frame.loc[:149].to_numpy()
    file = tmp_path / "repeats.csv"
    _ordered(frame).to_csv(file, index=False)
    values = _run(file, "--label", "won", "--time", "order", "--test-share", "0.3")
    assert values["n_test"] == 270


def test_a_cost_without_amounts_does_not_turn_the_advice_round(tmp_path: Path) -> None:
    file = tmp_path / "emails.parquet"
    emails(6_000).assign(order=np.arange(6_000)).to_parquet(file)
    words = ("--label", "visit", "--treatment", "segment", "--time", "order")
    free, priced = _run(file, *words), _run(file, *words, "--cost", "0.5")
    assert priced["uplift"] == free["uplift"]
    assert any("without the cost" in note for note in priced["notes"])
    assert "no --value" in priced["reasons"]["profit"]


def test_where_everybody_is_treated_alike_nobody_is_ranked(tmp_path: Path) -> None:
    frame = emails(1_500)
    frame["segment"] = np.where(frame["segment"] == "Mens E-Mail", "mail", "control")
    frame["visit"] = (np.random.default_rng(1).random(len(frame)) < np.where(frame["segment"] == "mail", 0.4, 0.1)) * 1
    file = tmp_path / "alike.parquet"
    _ordered(frame).to_parquet(file)
    (arm,) = _run(file, "--label", "visit", "--treatment", "segment", "--time", "order")["uplift"].values()
    assert arm["learner"] == "treat_all"
    assert arm["qini"] is arm["uplift_at_30"] is arm["intervals"]["qini"] is None
    assert arm["policy_value"] > 0
    assert '<td class="n" data-label="Qini">-</td>' in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize("column", ["minutes", "gift", "weight"])
def test_numbers_beyond_all_measure_are_told(tmp_path: Path, column: str) -> None:
    frame = _ordered(leads(600)).assign(gift=5.0, weight=1.0)
    frame.loc[[3, 7], column] = [1e308, -1e308 if column == "minutes" else 1e308]
    file = tmp_path / "vast.csv"
    frame.to_csv(file, index=False)
    words = ("--label", "won", "--time", "order", "--value", "gift", "--population-weight", "weight")
    if column == "weight":
        assert "beyond 1e+30" in _refuse(file, *words)
        return
    values = _run(file, *words)
    if column == "gift":
        assert values["profit"] is None
        assert "2 amounts in 'gift' are beyond 1e+30" in values["reasons"]["profit"]
    else:
        assert any("2 values of 'minutes' are beyond 1e+30" in note for note in values["notes"])
    assert 0.5 < values["roc_auc"]["value"] < 0.95


def test_a_zip_code_is_a_feature_and_an_order_code_is_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    frame = leads(1_500).assign(zip_code=rng.integers(10_000, 10_900, 1_500), order_code=rng.permutation(1_500) + 7_000)
    file = tmp_path / "codes.csv"
    frame.to_csv(file, index=False)
    dropped = _run(file, "--label", "won")["dropped"]
    assert "zip_code" not in dropped
    assert dropped["order_code"].startswith("an identifier")


def test_a_run_that_breaks_leaves_no_earlier_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "leads.csv"
    _ordered(leads(400)).to_csv(file, index=False)
    _run(file, "--label", "won", "--time", "order")

    def break_down(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("pipelines.assess.run.assess", break_down)
    folder = tmp_path / "report"
    told = runner.invoke(app, ["assess", str(file), "--label", "won", "--out", str(folder), "--no-track"])
    assert told.exit_code != 0
    assert list(folder.iterdir()) == []


def test_a_file_may_call_its_columns_as_it_likes(tmp_path: Path) -> None:
    frame = _ordered(leads(1_500)).rename(columns={"visits": "_outcome", "minutes": "_role_time", "noise": "_held_out"})
    file = tmp_path / "names.csv"
    frame.to_csv(file, index=False)
    values = _run(file, "--label", "won", "--time", "order", "--test-filter", "_outcome = 3")
    assert not {"_outcome", "_role_time", "_held_out"} & set(values["dropped"])


def test_later_rows_of_known_groups_alone_are_told_as_such(tmp_path: Path) -> None:
    frame = _ordered(leads(900)).assign(team=lambda rows: rows.index % 7)
    file = tmp_path / "teams.csv"
    frame.to_csv(file, index=False)
    told = _refuse(file, "--label", "won", "--time", "order", "--group", "team")
    assert "every later row belongs to a group that has earlier rows" in told
    assert "Leave --group out" in told
