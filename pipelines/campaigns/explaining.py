"""Why somebody may or may not be contacted, now or at any past moment: what the ledger and the warehouse knew then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from contracts.errors import BadInputError
from contracts.words import Channel
from pipelines.campaigns.inputs import open_day_ledger
from pipelines.campaigns.rechecking import policy_of
from pipelines.resources import Engine
from recovery.addresses import AddressKey, load_address_key
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.permission import ContactFacts, PermissionPolicy, RuleBook, load_rules, reachable_until
from recovery.permission.book import Known, read_known
from recovery.permission.context import CONTEXT, Context, load_context
from recovery.permission.recheck import facts_now, keys_of
from recovery.permission.telling import Told, tell

_ALL: Final = tuple(Channel)
_PEOPLE_SQL: Final = "select p.*, 1::integer as cycle from marts.dim_people as p where p.person_id in ({ids})"
_FACTS_SQL: Final = """
    select
        person_id, channel, stance, basis, source, evidence, since, expires_at, collected_during,
        optout_offered_at_collection, has_full_record
    from marts.fct_permissions
    where person_id in ({ids}) and observed_at <= ? and (source <> 'ledger' or stance <> 'refused')
    order by all
"""


@dataclass(frozen=True)
class TouchTold:
    """One touch of the person, decided again at the moment it was made or became due."""

    touch_id: str
    batch_id: str
    state: str
    reason: str
    at: datetime
    told: Told
    note: str


@dataclass(frozen=True)
class PersonTold:
    """Everything about one person at one moment.

    Attributes:
        person_id: as it is known now.
        also: ids of merged halves.
        at: the moment, aware UTC.
        basis: where country, zone and the like come from, by channel.
        channels: the answer for each channel asked about.
        touches: those that were due or made by then, the newest first.
        addresses: of the person's messages; only where asked for.
        reach: until when each channel may be used, aware UTC; `datetime.max` for an open end, None where it is refused.
        rules_sha256: fingerprint of the rules used.
    """

    person_id: str
    also: tuple[str, ...]
    at: datetime
    basis: tuple[str, ...]
    channels: tuple[Told, ...]
    touches: tuple[TouchTold, ...]
    addresses: tuple[str, ...]
    reach: Mapping[Channel, datetime | None]
    rules_sha256: str


@dataclass(frozen=True)
class _Base:
    """What a channel is decided from, and where that comes from."""

    context: Context
    person_id: str
    words: str
    address_hash: str | None = None


def explain_person(
    engine: Engine, who: str, *, at: datetime, channel: Channel | None = None, show_address: bool = False
) -> PersonTold:
    """Decide again for one person under the rules and the permission known at a moment.

    Args:
        engine: the installation.
        who: person id, touch id, CRM record (`source:object:id`), e-mail address or phone number.
        at: aware UTC.
        channel: this one only; None = every channel.
        show_address: also tell the addresses.

    Raises:
        BadInputError: nobody is known by that name.
    """
    settings, rules = engine.settings, load_rules()
    key, policy = load_address_key(settings.secrets_dir), policy_of(settings)
    naive = at.astimezone(UTC).replace(tzinfo=None)
    with open_day_ledger(settings) as ledger, reading(ledger.engine) as connection:
        people, hashes = _find(connection, who, key)
        if not people and not hashes:
            people = _find_in_warehouse(engine, who)
        if not people and not hashes:
            raise BadInputError(
                "Nobody is known by that name.",
                where=who if "@" not in who and not who.startswith("+") else "the address given",
                remedy="Give a person id, a touch id, a record such as crm:contacts:17, or an address.",
            )
        known = read_known(connection, keys=hashes, people=people, known_by=naive)
        everybody = sorted({member for family in known.families.values() for member in family})
        touches = _touches(connection, everybody)
        contexts = _contexts(connection, [row.touch_id for row in touches])
        wanted = _ALL if channel is None else (channel,)
        bases = _bases(engine, wanted, people, touches, contexts, naive, rules, key, next(iter(hashes), None))
        keys = hashes.union(*(keys_of(base.address_hash, base.context) for base in bases.values()))
        known = read_known(connection, keys=keys, people=people, known_by=naive)
        channels = tuple(_tell(base, c, known, naive, policy, rules) for c, base in bases.items())
        reach = {c: _reach(base, c, known, naive, policy, rules) for c, base in bases.items()}
        told = tuple(
            _tell_touch(connection, row, contexts[row.touch_id][0], policy, rules)
            for row in touches
            if row.touch_id in contexts and _moment(row) <= naive and Channel(row.channel) in wanted
        )
        addresses = _addresses(connection, [row.touch_id for row in touches]) if show_address else ()
    person = next(iter(bases.values())).person_id
    words = tuple(dict.fromkeys(base.words for base in bases.values()))
    also = tuple(member for member in everybody if member != person)
    return PersonTold(person, also, at, words, channels, told, addresses, reach, rules.sha256)


def _find(connection: sa.Connection, who: str, key: AddressKey) -> tuple[list[str], set[str]]:
    """People and address hashes that a name stands for in the ledger."""
    if "@" in who or who.startswith("+"):
        address = key.hash(who)
        found: set[str] = set()
        for table in (tables.touches, tables.suppressions, tables.permission_events):
            query = sa.select(table.c.person_id).where(table.c.address_hash == address, table.c.person_id.is_not(None))
            found |= set(connection.execute(query.distinct()).scalars())
        return sorted(found), {address}
    link, touch = tables.person_links, tables.touches
    newest = sa.select(link.c.person_id).where(link.c.record_key == who).order_by(link.c.since.desc()).limit(1)
    for query in (
        newest,
        sa.select(touch.c.person_id).where(touch.c.touch_id == who),
        sa.select(link.c.person_id).where(link.c.person_id == who).limit(1),
        sa.select(touch.c.person_id).where(touch.c.person_id == who).limit(1),
    ):
        person = connection.execute(query).scalar()
        if person is not None:
            return [person], set()
    return [], set()


def _find_in_warehouse(engine: Engine, who: str) -> list[str]:
    with engine.warehouse.open() as connection:
        if not engine.warehouse.exists(connection, "marts.dim_people"):
            return []
        rows = connection.execute(
            "select person_id from marts.dim_people where person_id = $who or email = lower($who) "
            "or phone_e164 = $who order by 1",
            {"who": who},
        ).fetchall()
    return [row[0] for row in rows]


def _touches(connection: sa.Connection, people: list[str]) -> list[Any]:
    table = tables.touches
    query = sa.select(table).where(table.c.person_id.in_(people))
    return sorted(connection.execute(query), key=lambda row: (_moment(row), row.touch_id), reverse=True)


def _moment(row: Any) -> datetime:
    moment: datetime = row.settled_at or row.not_before
    return moment


def _contexts(connection: sa.Connection, touch_ids: list[str]) -> dict[str, tuple[Context, datetime]]:
    table = tables.contents
    query = sa.select(table.c.ref_id, table.c.extra, table.c.created_at).where(
        table.c.kind == CONTEXT, table.c.ref_id.in_(touch_ids)
    )
    return {row.ref_id: (load_context(row.extra), row.created_at) for row in connection.execute(query)}


def _bases(
    engine: Engine,
    wanted: tuple[Channel, ...],
    people: list[str],
    touches: list[Any],
    contexts: dict[str, tuple[Context, datetime]],
    at: datetime,
    rules: RuleBook,
    key: AddressKey,
    asked: str | None,
) -> dict[Channel, _Base]:
    """What was known of the person by channel: by its newest touch planned by then, else by the warehouse."""
    found: dict[Channel, _Base] = {}
    for row in sorted(touches, key=lambda row: row.touch_id):
        channel = Channel(row.channel)
        if row.touch_id in contexts and contexts[row.touch_id][1] <= at and channel in wanted:
            context, when = contexts[row.touch_id]
            words = f"as touch {row.touch_id} was planned on {when:%d %B %Y, %H:%M} UTC"
            found[channel] = _Base(context, row.person_id, words, row.address_hash)
    if missing := [channel for channel in wanted if channel not in found]:
        known = _from_warehouse(engine, people, at, rules, key)
        person = people[0] if people else "unknown"
        nothing = _Base(Context(ContactFacts()), person, "nothing is known of country, zone and address", asked)
        found |= {channel: known.get(channel, nothing) for channel in missing}
    return {channel: found[channel] for channel in wanted}


def _from_warehouse(
    engine: Engine, people: list[str], at: datetime, rules: RuleBook, key: AddressKey
) -> dict[Channel, _Base]:
    from recovery.planning.permits import contexts_of_person

    with engine.warehouse.open() as connection:
        if not people or not engine.warehouse.exists(connection, "marts.dim_people"):
            return {}
        ids = ", ".join("?" * len(people))
        frame = connection.execute(_PEOPLE_SQL.format(ids=ids), people).to_arrow_table().to_pandas().head(1)
        facts = connection.execute(_FACTS_SQL.format(ids=ids), [*people, at]).to_arrow_table().to_pandas()
    if frame.empty:
        return {}
    row = frame.iloc[0]
    email, phone = (row[name] if isinstance(row[name], str) else None for name in ("email", "phone_e164"))
    hashes = {address: key.hash(address) for address in (email, phone) if address}
    words = f"as the warehouse knew on {row['as_of_date']:%d %B %Y}"
    bases = {}
    for channel, context in contexts_of_person(frame, facts, rules).items():
        used = hashes.get((email if channel in (Channel.EMAIL, Channel.AUDIENCE) else phone) or "")
        context = replace(context, address_hashes=frozenset(hashes.values()))
        bases[channel] = _Base(context, str(row["person_id"]), words, used)
    return bases


def _tell(base: _Base, channel: Channel, known: Known, at: datetime, policy: PermissionPolicy, rules: RuleBook) -> Told:
    facts, limits = _asked(base, channel, known, at, policy)
    return tell(facts, channel, at.replace(tzinfo=UTC), limits, rules)


def _asked(
    base: _Base, channel: Channel, known: Known, at: datetime, policy: PermissionPolicy
) -> tuple[ContactFacts, PermissionPolicy]:
    """What is known at the moment, and the operator's limits for these words."""
    facts = facts_now(base.person_id, channel, base.address_hash, base.context, known, at)
    return facts, replace(policy, is_job_related=base.context.is_job_related)


def _reach(
    base: _Base, channel: Channel, known: Known, at: datetime, policy: PermissionPolicy, rules: RuleBook
) -> datetime | None:
    facts, limits = _asked(base, channel, known, at, policy)
    return reachable_until(facts, channel, at.replace(tzinfo=UTC), limits, rules)


def _tell_touch(
    connection: sa.Connection, row: Any, context: Context, policy: PermissionPolicy, rules: RuleBook
) -> TouchTold:
    at = _moment(row)
    keys = keys_of(row.address_hash, context)
    known = read_known(connection, keys=keys, people=[row.person_id], known_by=at)
    base = _Base(context, row.person_id, "", row.address_hash)
    told = _tell(base, Channel(row.channel), known, at, policy, rules)
    then, today = context.rules_sha256[:12], rules.sha256[:12]
    note = f"It was planned under the rules {then}; those of today are {today}." if then not in ("", today) else ""
    return TouchTold(row.touch_id, row.batch_id, row.state, row.reason, at.replace(tzinfo=UTC), told, note)


def _addresses(connection: sa.Connection, touch_ids: list[str]) -> tuple[str, ...]:
    table = tables.contents
    query = sa.select(table.c.address).where(table.c.kind == "touch", table.c.ref_id.in_(touch_ids)).distinct()
    return tuple(sorted(filter(None, connection.execute(query).scalars())))
