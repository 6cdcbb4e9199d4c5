"""The delivery suite measures what it says: everything leaves once, through the real re-check."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import delivery, delivery_ledger
from bench.delivery_world import KEY
from recovery.ledger.engine import make_engine, writing
from recovery.permission import Stance
from recovery.permission.book import Entry, record_import
from tests.recovery.sinks.smtp_server import mail_server


@pytest.mark.parametrize("is_rechecked", [True, False])
def test_every_mail_leaves_once(tmp_path: Path, is_rechecked: bool) -> None:
    with mail_server() as bag:
        url = delivery.make_ledger(tmp_path, 60)
        assert delivery.with_ledger(tmp_path, url, bag.port, is_rechecked=is_rechecked) > 0
        assert len({to for to, _ in bag.mails}) == len(bag.mails) == 60
        assert delivery.without_ledger(bag.port, 60) > 0
        assert len(bag.mails) == 120


def test_the_re_check_is_the_real_one(tmp_path: Path) -> None:
    with mail_server() as bag:
        url = delivery.make_ledger(tmp_path, 20)
        engine = make_engine(url)
        with writing(engine) as connection:
            address = KEY.hash("lead7@people.example")
            entry = Entry("email", Stance.REFUSED, "opt_out", "test", address_hash=address)
            record_import(connection, [entry], now=delivery._MORNING)
        engine.dispose()
        with pytest.raises(RuntimeError, match="opted_out"):
            delivery.with_ledger(tmp_path, url, bag.port)
        assert len(bag.mails) == 19


def test_a_claim_and_an_opt_out_are_measured_on_a_filled_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    delivery_ledger.fill(url, 110_000)
    claim, leave = delivery_ledger.measure(url)
    assert 0 < claim < 1_000
    assert 0 < leave < 1_000
