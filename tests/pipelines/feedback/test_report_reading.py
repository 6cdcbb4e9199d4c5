from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contracts.errors import BadInputError
from pipelines.feedback.report.facts import DayFacts
from pipelines.feedback.report.messages import read_messages, shorten_address
from pipelines.feedback.report.reading import read_day
from pipelines.feedback.report.reading_scores import next_step
from pipelines.feedback.report_assets import places_of
from tests.pipelines.feedback.report_world import AS_OF, engine_for, write_day


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> DayFacts:
    return read_day(places_of(write_day(tmp_path_factory.mktemp("day"))), AS_OF)


def test_people_and_scores_are_counted(day: DayFacts) -> None:
    assert (day.population.people, day.population.dormant) == (600, 400)
    assert sum(day.population.not_dormant.values()) == 200
    assert day.scores.rows == 397
    assert day.scores.unscored == {"objected": 3}
    assert sum(day.scores.tiers.values()) == sum(day.scores.histogram.values()) == 397


def test_only_deliveries_known_that_day_count(day: DayFacts) -> None:
    # l3 was exported later than the day, l5 is superseded, l4 is the only delivery of its source.
    assert day.intake.rows_in == 1000 + 500 + 70
    assert day.intake.rows_rejected == 21
    assert [(d.source, d.silent_days) for d in day.intake.deliveries] == [
        ("gohighlevel", None),
        ("hubspot", 0),
        ("salesforce", 4),
    ]


def test_rejects_name_rows_and_never_values_or_folders(day: DayFacts) -> None:
    first, second = day.intake.rejects
    assert (first.rows, first.row_numbers, first.reason) == (12, (100, 101, 102, 103, 104), "bad_timestamp")
    assert second.rows == 8
    assert first.file_name == "contacts.csv"
    assert day.intake.issues[0].rows == 7


def test_missing_fields_carry_their_cost(day: DayFacts) -> None:
    fields = {field.name: field for field in day.intake.fields}
    assert fields["country"].missing == 100
    assert 0 < fields["country"].blocked <= 100
    assert fields["employee count"].p_with == pytest.approx(fields["employee count"].p_without, rel=0.05)
    assert day.intake.gaps[0].column_name == "job_title"


def test_leads_are_the_best_in_order(day: DayFacts) -> None:
    leads = day.scores.leads
    assert len(leads) == 20
    assert [lead.p for lead in leads] == sorted((lead.p for lead in leads), reverse=True)
    assert leads[5].next_step == "e-mail on 1 Jun"
    assert [reason.points for reason in leads[0].reasons] == [9.2, 6.1, 3.4, -4.0, 1.2]


def test_messages_mix_channels_and_hide_addresses_and_links(day: DayFacts) -> None:
    messages = day.batch.messages
    assert [message.channel for message in messages].count("call") == 1
    assert len(messages) == 5
    mail = messages[0]
    assert mail.recipient == "p…@acme.example"
    assert mail.has_unsubscribe
    assert "[personal unsubscribe link]" in mail.body
    assert "[link to northwind.example]" in mail.body
    text = "".join(f"{m.body}{m.subject}{m.recipient}" for m in messages)
    assert "token-" not in text
    assert "://" not in text


def test_held_out_people_show_no_message_and_no_step(day: DayFacts) -> None:
    assert "Hello =HYPERLINK" not in "".join(message.body for message in day.batch.messages)
    assert next_step("held_out", "email", None, None) == ""
    assert next_step("skipped", None, None, "global_holdout") == ""
    assert next_step("skipped", None, None, "country_unknown") == "not contacted: country missing"
    assert next_step("skipped", None, None, "brand_new") == "not contacted: brand new"


def test_nothing_at_all_is_an_empty_day(tmp_path: Path) -> None:
    assert read_day(places_of(engine_for(tmp_path)), AS_OF) == DayFacts(AS_OF)


def test_an_empty_warehouse_is_an_empty_day(tmp_path: Path) -> None:
    engine = engine_for(tmp_path)
    with engine.warehouse.open():
        pass
    assert read_day(places_of(engine), AS_OF) == DayFacts(AS_OF)


def test_people_of_another_day_are_refused(tmp_path: Path) -> None:
    engine = write_day(tmp_path, dormant=20, planned=2)
    with pytest.raises(BadInputError, match="recovery run --as-of 2026-05-25"):
        read_day(places_of(engine), date(2026, 5, 25))


def test_a_day_without_dormant_people_is_read(tmp_path: Path) -> None:
    day = read_day(places_of(write_day(tmp_path, dormant=0, planned=0)), AS_OF)
    assert (day.population.dormant, day.scores.rows, day.scores.leads) == (0, 0, ())


def test_messages_of_an_incomplete_outbox_are_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "eml").mkdir()
    (tmp_path / "email.csv").write_text("touch_id,to_address,subject,body\nt1,a@b.example,Hi,'=1\n")
    found = read_messages(tmp_path, [("t0", "email"), ("t1", "email"), ("t2", "sms")], limit=5)
    assert [(message.subject, message.body) for message in found] == [("Hi", "=1")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Ada Example <ada@acme.example>", "Ada Example · a…@acme.example"),
        ("+44 1632 960007", "…07"),
        ("", ""),
        ("\u202eada@acme.example", "…@acme.example"),
    ],
)
def test_addresses_are_shortened(address: str, expected: str) -> None:
    assert shorten_address(address) == expected
