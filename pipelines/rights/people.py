"""From a person id, an address or a number to everything by which that person is known here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa

from contracts.errors import BadInputError
from pipelines.rights.families import Family, close, united, united_by_name
from pipelines.rights.landed_people import read_phone
from pipelines.rights.search import Search
from recovery.ledger import schema as tables
from recovery.ledger.engine import reading
from recovery.ledger.schema_access import api_activities
from recovery.rights.ledger_texts import chunks
from recovery.rights.matching import Identifiers, digits_of

_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})
# Whoever stands in one of these is known; requests and restrictions are written by hand and prove nobody.
_PROOFS: Final = (
    tables.person_links, tables.touches, tables.assignments, tables.contents, tables.permission_events,
    tables.suppressions, tables.provider_events, api_activities,
)  # fmt: skip


def find_people(
    landing: Path, engine: sa.Engine, who: Sequence[str], *, countries: Mapping[str, str] = _NOWHERE
) -> Identifiers:
    """Everything by which some people are known in landing and ledger.

    A person is followed along record links and merges of the ledger, and to records that hold one of the person's
    addresses under an agreeing name. Whoever merely shares an address is somebody else, and the address stays theirs.

    Args:
        landing: root of landed exports.
        engine: of the ledger.
        who: person ids, e-mail addresses, or numbers that start with `+`.
        countries: declared country by source; national numbers of rows without a country are read in it.

    Raises:
        BadInputError: one of them is known by nobody, or by several people.
    """
    names = list(dict.fromkeys(text for item in who if (text := item.strip())))
    if not names:
        raise _unknown("")
    found = Search(landing, engine, countries, united(_seeds(landing, engine, names, countries)))
    found.run()
    touches = _touches(engine, found.families)
    for family in found.families:
        if not (family.keys or family.emails or family.phones or _is_in_ledger(engine, family.ids)):
            raise _unknown(min(family.ids, default=""))
    return _identifiers(found, touches, _held_by_others(engine, found))


def _seeds(landing: Path, engine: sa.Engine, names: Sequence[str], countries: Mapping[str, str]) -> list[Family]:
    addresses = [name for name in names if _is_address(name)]
    seeds = [Family(ids={name}) for name in names if not _is_address(name)]
    if not addresses:
        return seeds
    holders = Search(landing, engine, countries, []).holders(addresses)
    candidates: dict[str, list[Family]] = {}
    for address in addresses:
        written = _people_written_to(engine, address)
        candidates[address] = [
            *(Family(keys={key}) for key in holders[address] - {""}),
            *(Family(ids={one}) for one in written),
        ]
    every = [one for found in candidates.values() for one in found]
    with reading(engine) as connection:
        for one in every:
            close(connection, one)
    known = Search(landing, engine, countries, united(every))
    known.take_own_rows()
    for address in addresses:
        mine = [one for one in known.families if any(one.overlaps(other) for other in candidates[address])]
        apart = united_by_name(mine)
        if len(apart) > 1:
            raise _several(apart)
        if not apart:
            apart = [Family() if holders[address] else _unnamed(engine, address)]
        seeds.append(_with_address(apart[0], address))
    return seeds


def _is_address(name: str) -> bool:
    return "@" in name or (name.startswith("+") and bool(digits_of(name)))


def _with_address(family: Family, address: str) -> Family:
    if "@" in address:
        family.emails.add(address.lower())
    else:
        family.phones.add(read_phone(address))
    return family


def _unnamed(engine: sa.Engine, address: str) -> Family:
    """An address that is in no record, yet in messages of the ledger."""
    content = tables.contents
    spelled = (address.lower(), f"+{digits_of(address)}")
    with reading(engine) as connection:
        query = sa.select(content.c.ref_id).where(sa.func.lower(content.c.address).in_(spelled)).limit(1)
        if connection.execute(query).first() is None:
            raise _unknown(address)
    return Family()


def _people_written_to(engine: sa.Engine, address: str) -> list[str]:
    content = tables.contents
    query = sa.select(content.c.person_id).where(
        content.c.kind == "touch",
        content.c.person_id.is_not(None),
        sa.func.lower(content.c.address) == address.lower(),
    )
    with reading(engine) as connection:
        return sorted(connection.execute(query.distinct()).scalars())


def _held_by_others(engine: sa.Engine, found: Search) -> set[str]:
    """Addresses of these people at which messages to others went."""
    content = tables.contents
    ids = {one for family in found.families for one in family.ids}
    spelled = {email for family in found.families for email in family.emails}
    spelled |= {phone.e164 for family in found.families for phone in family.phones if phone.e164}
    others: set[str] = set()
    with reading(engine) as connection:
        for chunk in chunks(spelled):
            query = sa.select(content.c.address, content.c.person_id).where(
                content.c.kind == "touch",
                content.c.person_id.is_not(None),
                sa.func.lower(content.c.address).in_(chunk),
            )
            rows = connection.execute(query.distinct())
            others |= {row.address.lower() for row in rows if row.person_id not in ids}
    return others


def _identifiers(found: Search, touches: set[str], others: set[str]) -> Identifiers:
    records: dict[tuple[str, str], set[str]] = defaultdict(set)
    for family in found.families:
        for key in family.keys:
            source, _, rest = key.partition(":")
            kind, _, record_id = rest.partition(":")
            records[source, kind].add(record_id)
    all_emails = {email for family in found.families for email in family.emails}
    all_phones = {phone for family in found.families for phone in family.phones}
    emails = {email for email in all_emails if email not in found.shared_emails | others}
    phones = {
        phone
        for phone in all_phones
        if phone.e164 not in others and not any(phone.is_same(other) for other in found.shared_phones)
    }
    numbers = {phone.e164 for phone in phones if phone.e164}
    lost = {phone.e164 or phone.digits for phone in all_phones - phones}
    return Identifiers(
        person_ids=frozenset(one for family in found.families for one in family.ids),
        current_ids=frozenset(one for family in found.families for one in family.current),
        records={key: frozenset(ids) for key, ids in records.items()},
        emails=frozenset(emails),
        phones=frozenset({phone.digits for phone in phones if phone.digits} | {n.removeprefix("+") for n in numbers}),
        numbers=frozenset(numbers),
        names=frozenset(found.own_names()),
        touch_ids=frozenset(touches),
        shared=len(all_emails - emails) + len(lost),
    )


def _touches(engine: sa.Engine, families: Iterable[Family]) -> set[str]:
    found: set[str] = set()
    ids = {one for family in families for one in family.ids}
    with reading(engine) as connection:
        for chunk in chunks(ids):
            for table, column in ((tables.touches, "touch_id"), (tables.assignments, "assignment_id")):
                query = sa.select(table.c[column]).where(table.c.person_id.in_(chunk))
                found |= set(connection.execute(query).scalars())
    return found


def _is_in_ledger(engine: sa.Engine, ids: Iterable[str]) -> bool:
    wanted = sorted(ids)
    with reading(engine) as connection:
        return any(
            connection.execute(sa.select(table.c.person_id).where(table.c.person_id.in_(wanted)).limit(1)).first()
            for table in _PROOFS
        )


def _unknown(name: str) -> BadInputError:
    return BadInputError(
        "Nobody here is known by that.",
        where="the address given" if _is_address(name) else name,
        remedy="Give a person id, an e-mail address or a +number; `recovery suppress` blocks an address of nobody.",
    )


def _several(people: Iterable[Family]) -> BadInputError:
    shown = sorted(f"{min(one.current or one.ids)} ({', '.join(sorted(one.keys)) or 'ledger'})" for one in people)
    return BadInputError(
        f"{len(shown)} people have that address.",
        where="; ".join(shown[:20]),
        remedy="Give the person id of the one who is meant.",
    )
