"""A small ledger with a batch, touches and what they were planned on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa

from contracts.words import Channel
from recovery.addresses import AddressKey, address_key_of
from recovery.cadence import Cap
from recovery.delivery.words import ClaimedTouch, Verdict
from recovery.ledger import schema as tables
from recovery.ledger.engine import make_engine, migrate, writing
from recovery.permission import ContactFacts, Fact, PermissionPolicy, Stance, load_rules
from recovery.permission.book import Entry, record_import, record_words
from recovery.permission.context import CONTEXT, Context, dump_context
from recovery.permission.recheck import Recheck

NOW = datetime(2026, 6, 1, 15)  # Monday, 11:00 in New York
KEY: AddressKey = address_key_of(b"k" * 32)
RULES = load_rules()


def lead(country: str = "US", *, state: str = "NY", zone: str = "America/New_York", **more: Any) -> ContactFacts:
    values: dict[str, Any] = {
        "countries": frozenset([country]),
        "states": frozenset([state]),
        "is_state_known": True,
        "zones": frozenset([zone]),
        "has_address": True,
        "has_opt_out_source": True,
        "facts": frozenset([Fact("all", Stance.ALLOWED, "inquiry", since=date(2026, 5, 1))]),
    }
    return ContactFacts(**(values | more))


@dataclass
class World:
    """A ledger and verbs to fill it."""

    engine: sa.Engine
    caps: tuple[Cap, ...] = ()
    policy: PermissionPolicy = field(default_factory=PermissionPolicy)
    now: datetime = NOW
    key: AddressKey = KEY
    _numbers: Iterator[int] = field(default_factory=count)

    def batch(self, name: str = "b1", *, rules: str = RULES.sha256) -> str:
        """A batch of its own day."""
        row = {
            "batch_id": name, "sha256": name, "as_of_date": date(2026, 1, 1) + timedelta(days=next(self._numbers)),
            "sender_id": "main", "state": "approved", "planned": 1, "held_out": 0, "path": "", "created_at": NOW,
            "rules": rules,
        }  # fmt: skip
        with writing(self.engine) as connection:
            connection.execute(sa.insert(tables.batches).values(**row))
        return name

    def touch(self, person: str, address: str = "", **more: Any) -> ClaimedTouch:
        """A claimed touch: see `touches`."""
        return self.touches([(person, address)], **more)[0]

    def touches(
        self,
        people: Sequence[tuple[str, str]],
        *,
        facts: ContactFacts | None = None,
        channel: Channel = Channel.EMAIL,
        also: tuple[str, ...] = (),
        is_job_related: bool = False,
        **more: Any,
    ) -> list[ClaimedTouch]:
        """A claimed touch for each person and address; `more` changes columns of `touches`."""
        rows, contexts = [], []
        for person, address in people:
            row = self._row(person, address, channel) | more
            hashes = frozenset(self.key.hash(one) for one in (*also, address) if one)
            rows.append(row)
            if facts is not None:
                text = dump_context(Context(facts, hashes, is_job_related, RULES.sha256))
                contexts.append(
                    {"kind": CONTEXT, "ref_id": row["touch_id"], "person_id": person, "extra": text,
                     "created_at": self.now}
                )  # fmt: skip
        with writing(self.engine) as connection:
            connection.execute(sa.insert(tables.touches), rows)
            if contexts:
                connection.execute(sa.insert(tables.contents), contexts)
        return [_claimed(row) for row in rows]

    def _row(self, person: str, address: str, channel: Channel) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "touch_id": f"t{number:04d}", "batch_id": "b1", "person_id": person, "account_id": None,
            "sender_id": "main", "channel": channel.value, "playbook": "p", "step": 1, "cycle": number,
            "rank": number + 1, "address_hash": self.key.hash(address) if address else None, "content_sha256": "",
            "idempotency_key": f"t{number}", "sink": "file", "state": "claimed", "not_before": self.now,
            "expires_at": self.now + timedelta(days=2), "claim_id": "c1", "settled_at": None,
        }  # fmt: skip

    def says(self, basis: str, *, address: str = "", is_own_words: bool = False, **more: Any) -> None:
        """A statement is written down."""
        values: dict[str, Any] = {"channel": "email", "stance": Stance.REFUSED, "source": "test", "since": self.now}
        entry = Entry(basis=basis, address_hash=self.key.hash(address) if address else None, **(values | more))
        write = record_words if is_own_words else record_import
        with writing(self.engine) as connection:
            write(connection, [entry], now=self.now)

    def ask(self, *touches: ClaimedTouch, now: datetime | None = None) -> list[str]:
        """Answer and reason of each touch."""
        found = self.verdicts(*touches, now=now)
        return [f"{v.answer.value} {v.reason}".strip() for v in (found[touch.touch_id] for touch in touches)]

    def verdicts(self, *touches: ClaimedTouch, now: datetime | None = None) -> dict[str, Verdict]:
        """Whole verdicts."""
        recheck = Recheck(self.engine, RULES, self.policy, self.caps)
        return dict(recheck(touches, now or self.now))


def _claimed(row: dict[str, Any]) -> ClaimedTouch:
    values = {name: row[name] for name in ClaimedTouch.__slots__ if name in row}
    return ClaimedTouch(**values | {"channel": Channel(row["channel"]), "attempts": 0, "retry_budget": 5})


def open_world(url: str, **more: Any) -> World:
    """A world on a fresh ledger with one batch."""
    engine = make_engine(url)
    migrate(engine)
    world = World(engine, **more)
    world.batch()
    return world
