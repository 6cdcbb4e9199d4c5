"""Rules that decide by a day or by a source: permission after a merge, late rows, types of columns, date edges."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from contracts.times import grid_dates
from pipelines.features.build import FeatureStage
from tests.pipelines.features import raw_world as raw

AS_OF = date(2026, 6, 1)
WEEK_BEFORE = date(2026, 5, 25)
FIRST = datetime(2026, 5, 17, 23)
PAST = "select * from marts.lead_snapshots where as_of_date <= ? order by as_of_date, person_id"

pytestmark = pytest.mark.xdist_group("feature_edges")


def acts(rows: list[tuple[str, str, str, datetime, datetime]]) -> pd.DataFrame:
    """Activities from (record_id, contact_id, type, occurred_at, created_at)."""
    frame = pd.DataFrame(rows, columns=["record_id", "contact_id", "activity_type", "occurred_at", "created_at"])
    return frame.assign(source="FORMS", direction=None, body=None)


def form(
    name: str, person: str, at: datetime, created: datetime | None = None
) -> tuple[str, str, str, datetime, datetime]:
    return (name, person, "FORM_SUBMISSION", at, created or at)


def land(stage: FeatureStage, upto: int) -> None:
    """Three deliveries: history, then rows with old stamps, rows between export and date, and a longer past."""
    people = raw.contacts(12)
    old = datetime(2026, 1, 10)
    first = [form(f"f{i}", str(i), old + timedelta(hours=i)) for i in range(12)]
    second = [
        form("old stamp", "1", datetime(2026, 4, 20)),
        form("after the first export, before the next date", "2", datetime(2026, 5, 17, 23, 30)),
        form("fresh", "3", datetime(2026, 5, 23)),
    ]
    third = [form("ten years", "4", datetime(2016, 5, 1)), form("new", "5", datetime(2026, 5, 28))]
    moments = [FIRST, datetime(2026, 5, 24, 23), datetime(2026, 5, 31, 23)]
    with stage.warehouse.open() as connection:
        if upto == 1:
            raw.make_raw(connection)
            raw.declare(connection, ("hs", "hubspot"))
            raw.landing(connection, "hubspot__contacts", people, exported_at=FIRST)
        rows, moment = (first, second, third)[upto - 1], moments[upto - 1]
        mode = "full" if upto == 1 else "incremental"
        raw.landing(connection, "hubspot__activities", acts(rows), exported_at=moment, mode=mode)


def test_a_rebuild_at_the_end_gives_what_every_day_gave(tmp_path: Path) -> None:
    daily, rebuilt = raw.stage(tmp_path / "daily", training_weeks=4), raw.stage(tmp_path / "rebuilt", training_weeks=4)
    seen = []
    for upto, day in ((1, date(2026, 5, 18)), (2, WEEK_BEFORE), (3, AS_OF)):
        land(daily, upto)
        land(rebuilt, upto)
        raw.run(daily, day)
        seen.append(raw.rows_of(daily, PAST, [day]))
    raw.run(rebuilt, AS_OF)
    assert len(seen[0]) > 12
    again = raw.rows_of(rebuilt, PAST, [AS_OF])
    dates = {row[0] for row in again}
    assert dates == set(grid_dates(AS_OF, 4))
    assert [row for row in seen[-1] if row[0] in dates] == again
    for day, rows in zip((date(2026, 5, 18), WEEK_BEFORE), seen, strict=False):
        assert raw.rows_of(daily, PAST, [day]) == rows
    bases = dict(
        raw.rows_of(
            rebuilt, "select source_record_id, (observed_at, observed_at_basis)::varchar from marts.fct_activities"
        )
    )
    assert "2026-01-10" in bases["f1"]
    for name in ("old stamp", "after the first export, before the next date", "fresh"):
        assert "2026-05-24 23:00:00" in bases[name], name


def edge_world(folder: Path) -> FeatureStage:
    """One person per edge; horizon 30 days, lag 2, dormant after 30."""
    stage = raw.stage(folder, training_weeks=10)
    midnight = datetime(2026, 6, 1)
    mature = datetime(2026, 4, 20)
    long_ago = datetime(2025, 10, 1)
    second = timedelta(seconds=1)
    rows = [
        form("a", "0", midnight - timedelta(days=30)),
        form("b", "1", midnight - timedelta(days=30) - second),
        form("c0", "2", long_ago),
        form("c1", "2", midnight),
        form("d0", "3", long_ago),
        form("d1", "3", mature),
        form("e0", "4", long_ago),
        form("e1", "4", mature + timedelta(days=30) - second),
        form("f0", "5", long_ago),
        form("f1", "5", mature + timedelta(days=30)),
        form("g0", "6", long_ago),
        form("g1", "6", long_ago + timedelta(days=30)),
        form("h0", "7", long_ago),
        form("h1", "7", long_ago + timedelta(days=30) - second),
    ]
    people = raw.contacts(8, per_account=1).assign(industry="Software", lead_source="Referral")
    with stage.warehouse.open() as connection:
        raw.make_raw(connection)
        raw.declare(connection, ("hs", "hubspot"))
        raw.landing(connection, "hubspot__contacts", people, exported_at=datetime(2026, 5, 31, 23))
        raw.landing(connection, "hubspot__activities", acts(rows), exported_at=datetime(2026, 5, 31, 23))
        connection.execute("insert into raw.column_types values ('hs', 'contacts', 'job_title', 'mutable')")
        raw.add(
            connection,
            "mapped__assignments",
            pd.DataFrame(
                [{"assignment_id": "past-1", "crm": "hubspot", "record_source": "hs", "record_object": "contacts",
                  "record_id": "4", "campaign": "spring", "channel": "email", "assigned_at": mature,
                  "arm": "held_out", "propensity": 0.9, "policy_version": "2", "_source": "history",
                  "_landing_id": "x", "_row_number": 1, "_exported_at": midnight}]
            ),
        )  # fmt: skip
    raw.run(stage, AS_OF)
    return stage


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> FeatureStage:
    return edge_world(tmp_path_factory.mktemp("edges"))


def by_contact(stage: FeatureStage, query: str) -> dict[str, tuple[object, ...]]:
    """Rows of a query that has `person_id`, by the contact's id."""
    rows = raw.rows_of(
        stage, f"select r.record_id, q.* from ({query}) as q join marts.person_records as r using (person_id)"
    )
    return {str(row[0]): row[1:] for row in rows}


def test_dormancy_begins_when_the_days_are_over_and_not_a_second_before(edges: FeatureStage) -> None:
    people = by_contact(edges, "select person_id, is_dormant, dormant_days, not_dormant_reason from marts.dim_people")
    assert people["0"][1:] == (False, 30, "recently_active")
    assert people["1"][1:] == (True, 31, None)


def test_what_happens_at_midnight_belongs_to_the_next_day(edges: FeatureStage) -> None:
    people = by_contact(edges, "select person_id, last_inbound_at from marts.dim_people")
    assert people["2"][1] == datetime(2025, 10, 1)


def test_the_horizon_is_closed_at_its_start_and_open_at_its_end(edges: FeatureStage) -> None:
    labels = by_contact(
        edges, "select person_id, is_reactivated from marts.lead_labels where as_of_date = '2026-04-20'"
    )
    assert [labels[person][1] for person in "345"] == [True, True, False]


def test_a_label_is_there_when_horizon_and_lag_are_over(edges: FeatureStage) -> None:
    newest = raw.rows_of(edges, "select max(as_of_date), max(label_observed_until) from marts.lead_labels")
    assert newest == [(date(2026, 4, 27), datetime(2026, 5, 29))]


def test_a_silence_of_exactly_the_days_begins_a_new_spell(edges: FeatureStage) -> None:
    spells = by_contact(edges, "select person_id, spell from marts.lead_snapshots where as_of_date = '2026-06-01'")
    assert (spells["6"][1], spells["7"][1]) == (2, 1)


def test_a_column_declared_mutable_is_not_back_cast(edges: FeatureStage) -> None:
    rows = raw.rows_of(
        edges,
        "select as_of_date, bool_or(title_level is not null), bool_and(industry_group is not null) "
        "from marts.lead_snapshots group by as_of_date order by as_of_date",
    )
    assert len(rows) > 5
    assert {row[1] for row in rows[:-1]} == {False}
    assert rows[-1][1] is True
    assert {row[2] for row in rows} == {True}


def test_an_assignment_reaches_the_labels_whose_horizon_holds_it(edges: FeatureStage) -> None:
    columns = "assignment_id, arm, propensity, policy_version"
    rows = by_contact(edges, f"select person_id, {columns} from marts.lead_labels where as_of_date = '2026-04-20'")
    assert rows["4"][1:] == ("past-1", "held_out", 0.9, "2")
    assert rows["5"][1:] == (None, None, None, None)
    later = by_contact(edges, "select person_id, arm from marts.lead_labels where as_of_date = '2026-04-27'")
    assert later["4"][1] is None


def test_a_merge_keeps_the_strictest_permission(tmp_path: Path) -> None:
    stage = raw.stage(tmp_path, training_weeks=4)
    when = datetime(2026, 5, 31, 23)
    permissions = [("0", datetime(2026, 12, 1)), ("1", datetime(2026, 7, 1)), ("2", None), ("3", None)]
    people = pd.DataFrame({"record_id": ["0", "1", "2", "3"], "email": ["a@x.example"] * 2 + ["b@x.example"] * 2})
    people = people.assign(
        created_at=datetime(2026, 1, 1), first_name="Ann", email_domain="x.example", is_free_mail=False
    )
    with stage.warehouse.open() as connection:
        raw.make_raw(connection)
        raw.declare(connection, ("hs", "hubspot"), ("list", "mapped"))
        raw.landing(connection, "mapped__leads", people, source="list", exported_at=when)
        raw.landing(
            connection, "hubspot__contacts", people.assign(record_id=["7", "8", "9", "10"]).iloc[:2], exported_at=when
        )
        raw.landing(
            connection,
            "mapped__permissions",
            pd.DataFrame(permissions, columns=["lead_id", "expires_at"]).assign(
                record_id=["p0", "p1", "p2", "p3"], channel="email", basis="express_consent", since=datetime(2026, 2, 1)
            ),
            source="list",
            exported_at=when,
        )
    raw.run(stage, AS_OF)
    allowed = raw.rows_of(
        stage,
        "select p.email, f.expires_at, p.has_email_opt_out_source from marts.fct_permissions as f "
        "join marts.dim_people as p using (person_id) where f.basis = 'express_consent' order by 1",
    )
    assert allowed == [("a@x.example", datetime(2026, 7, 1), False), ("b@x.example", None, False)]
    with stage.warehouse.open() as connection:
        connection.execute("update raw.sources set has_suppressions = true")
    raw.run(stage, AS_OF)
    assert raw.rows_of(stage, "select distinct has_email_opt_out_source from marts.dim_people") == [(True,)]
