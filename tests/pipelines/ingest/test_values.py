"""Dates, addresses, numbers and places: proofs and normalisers, and that SQL agrees with the libraries."""

from datetime import date, datetime

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadInputError
from pipelines.ingest.aliases import Kind
from pipelines.ingest.dates import read_dates
from pipelines.ingest.normalise import clean_email_sql, clean_phone_sql, email_key, phone_key, site_domain
from pipelines.ingest.places import country_table, country_zone_table, state_table, zone_table
from pipelines.ingest.typing_sql import typed


def _read(
    values: list[str], *, declared: dict[str, str] | None = None, zone: str | None = "UTC"
) -> list[datetime | None]:
    with duckdb.connect() as connection:
        connection.execute(
            "create table t as select unnest(?::varchar[]) as v, unnest(range(len(?)))  as i", [values, values]
        )
        reading = read_dates(connection, "t", ("v",), declared=declared or {}, time_zone=zone, where="f.csv")["v"]
        return [row[0] for row in connection.execute(f"select {reading.sql} from t order by i").fetchall()]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dates(date(1995, 1, 1), date(2030, 12, 31)), min_size=1, max_size=20),
    st.booleans(),
    st.sampled_from("/-."),
)
def test_order_is_proven_or_refused_never_guessed(days: list[date], is_day_first: bool, sign: str) -> None:
    pattern = f"%d{sign}%m{sign}%Y" if is_day_first else f"%m{sign}%d{sign}%Y"
    values = [day.strftime(pattern) for day in days]
    if any(day.day > 12 for day in days):
        assert _read(values) == [datetime(day.year, day.month, day.day) for day in days]
    else:
        with pytest.raises(BadInputError, match="day first or month first"):
            _read(values)
    assert _read(values, declared={"*": pattern}) == [datetime(day.year, day.month, day.day) for day in days]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.datetimes(datetime(1995, 1, 1), datetime(2030, 12, 31)), min_size=1, max_size=10))
def test_iso_and_epoch_mean_the_same_moment(moments: list[datetime]) -> None:
    moments = [moment.replace(microsecond=0) for moment in moments]
    assert _read([f"{moment:%Y-%m-%dT%H:%M:%S}Z" for moment in moments], zone=None) == moments
    assert _read([f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]) == moments
    assert (
        _read([str(int((moment - datetime(1970, 1, 1)).total_seconds() * 1000)) for moment in moments], zone=None)
        == moments
    )


@pytest.mark.parametrize(
    ("values", "zone", "expected"),
    [
        (["2024-07-01 12:00"], "America/New_York", [datetime(2024, 7, 1, 16)]),
        (
            ["2024-07-01T12:00:00+0200", "2024-07-01T12:00:00Z"],
            None,
            [datetime(2024, 7, 1, 10), datetime(2024, 7, 1, 12)],
        ),
        (["13/02/2024 3:04 PM", "01/02/2024"], "UTC", [datetime(2024, 2, 13, 15, 4), datetime(2024, 2, 1)]),
        (["Oct 20, 2023", "20-Oct-2023 10:00"], "UTC", [datetime(2023, 10, 20), datetime(2023, 10, 20, 10)]),
        (["2023/10/20"], "UTC", [datetime(2023, 10, 20)]),
    ],
)
def test_shapes(values: list[str], zone: str | None, expected: list[datetime]) -> None:
    assert _read(values, zone=zone) == expected


@pytest.mark.parametrize("values", [["13/02/2024", "02/13/2024"], ["01/02/24", "13/02/24"]])
def test_mixed_orders_and_short_years_are_refused(values: list[str]) -> None:
    with pytest.raises(BadInputError, match="Declare it"):
        _read(values)


_PARTS = st.text("abcXYZ019._%+-@ é", max_size=12)


@settings(max_examples=120, deadline=None)
@given(
    _PARTS,
    st.sampled_from(["@", "@@", ""]),
    _PARTS,
    st.sampled_from([".com", ".example", ".de", ".invalid", ".c", "", ".xn--p1ai"]),
)
def test_clean_addresses_are_those_of_the_library(local: str, at: str, host: str, end: str) -> None:
    value = f"{local}{at}{host}{end}".strip()
    clean = _CONNECTION.execute(f"select {clean_email_sql('v')} from (select ?::varchar as v)", [value]).fetchone()
    assert clean is not None
    if clean[0] is not None:
        assert clean[0] == email_key(value)


_CONNECTION = duckdb.connect()


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(
        ["+1", "+44", "+49", "+33", "+61", "+353", "+31", "+34", "+55", "+91", "0", "00", "0049", "1", "", "+7"]
    ),
    st.text("0123456789", min_size=5, max_size=11),
    st.sampled_from(["US", "CA", "GB", "DE", "FR", "AU", "IE", "NL", "ES", "BR", "IN", "IT", None]),
)
def test_clean_numbers_are_those_of_the_library(prefix: str, digits: str, region: str | None) -> None:
    value = prefix + digits
    candidate, owner = clean_phone_sql("v", "r")
    row = _CONNECTION.execute(
        f"select candidate, {owner} from (select {candidate} as candidate "
        "from (select ?::varchar as v, ?::varchar as r))",
        [value, region],
    ).fetchone()
    assert row is not None
    if row[1] is not None:
        assert row == phone_key(value, region)


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("(415) 555-2671", "US", ("+14155552671", "US")),
        ("+44 20 7946 0018", None, ("+442079460018", "GB")),
        ("0044 20 7946 0018", None, ("+442079460018", "GB")),
        ("+1 604 555 1234", None, ("+16045551234", "CA")),
        ("555", "US", None),
        ("415 555 2671", None, None),
    ],
)
def test_numbers(value: str, region: str | None, expected: tuple[str, str] | None) -> None:
    assert phone_key(value, region) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ann@Acme.Example", "ann@acme.example"),
        ("a@b@c.de", None),
        ("no mail", None),
        ("x@host.invalid", None),
        ("ü@exämple.de", "ü@xn--exmple-cua.de"),
    ],
)
def test_addresses(value: str, expected: str | None) -> None:
    assert email_key(value) == expected


def test_domains() -> None:
    assert site_domain("https://www.acme.co.uk/about") == "acme.co.uk"
    assert site_domain("http://shop.acme-1.example:80/x") == "acme-1.example"
    assert site_domain("co.uk") is None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.INTEGER, "5,000+", 5000),
        (Kind.INTEGER, "51-200", 51),
        (Kind.INTEGER, "many", None),
        (Kind.MONEY, "$1,234.50", "1234.50"),
        (Kind.MONEY, "1.234,50 €", "1234.50"),
        (Kind.BOOL, "Yes", True),
        (Kind.BOOL, "perhaps", None),
        (Kind.CURRENCY, "eur", "EUR"),
        (Kind.CURRENCY, "XXX", None),
        (Kind.ID, "123.0", "123"),
        (Kind.ID, "1.23E+11", None),
        (Kind.ID_LIST, "1:99;2, 3", ["1", "2", "3"]),
    ],
)
def test_kinds(kind: Kind, value: str, expected: object) -> None:
    row = _CONNECTION.execute(f"select {typed('v', kind, table='t')} from (select ?::varchar as v)", [value]).fetchone()
    assert row is not None
    assert (str(row[0]) if kind is Kind.MONEY else row[0]) == expected


def test_places() -> None:
    countries = dict(zip(country_table()["name"].to_pylist(), country_table()["code"].to_pylist(), strict=True))
    assert [countries[name] for name in ("us", "usa", "uk", "deutschland", "germany", "mexico")] == [
        "US",
        "US",
        "GB",
        "DE",
        "DE",
        "MX",
    ]
    zones = dict(
        zip(country_zone_table()["country"].to_pylist(), country_zone_table()["time_zone"].to_pylist(), strict=True)
    )
    assert (zones["DE"], zones["GB"]) == ("Europe/Berlin", "Europe/London")
    assert "US" not in zones
    assert set(state_table()["time_zone"].to_pylist()) <= set(zone_table()["zone"].to_pylist())
    unique = dict(zip(state_table()["name"].to_pylist(), state_table()["is_unique"].to_pylist(), strict=True))
    assert unique["california"] is True
    assert unique["wa"] is False
