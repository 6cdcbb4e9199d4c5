"""Keyed hashes of dormant people's addresses, computed set by set: one by one they cost the plan its time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import duckdb
import pyarrow as pa

from recovery.addresses import AddressKey

_BLOCK: Final = 64  # bytes of a block of SHA-256 (RFC 2104)
_SPOKEN: Final = """
    select person_id, unnest([email, phone_e164]) as address from marts.dim_people where is_dormant
"""
# Spelled so, an address is its own normal form; any other is normalised in Python.
_PLAIN: Final = r"regexp_full_match(address, '\+[0-9]+|[a-z0-9.!#$%&''*+/=?^_`{|}~-]+@([a-z0-9-]+\.)*[a-z0-9-]+')"
_ODD_SQL: Final = f"select distinct address from ({_SPOKEN}) where address <> '' and not {_PLAIN}"
# HMAC-SHA256, the first 128 bits in hex after the id of the key, as `AddressKey.hash`.
_HASHES_SQL: Final = f"""
with hashed as (
    select
        s.person_id,
        coalesce(
            o.hash,
            $key_id || ':' || left(sha256($outer || unhex(sha256($inner || encode(s.address)))), 32)
        ) as hash
    from ({_SPOKEN}) as s
    left join odd_addresses as o on s.address = o.address
    where s.address <> ''
)
select person_id, list(hash order by hash) as hashes
from hashed
group by person_id
having bool_or(hash in (select hash from hashes_of_interest))
    or person_id in (select person_id from people_of_interest)
order by person_id
"""


def hashes_of_people(
    warehouse: duckdb.DuckDBPyConnection, key: AddressKey, *, hashes: Collection[str], people: Collection[str]
) -> dict[str, frozenset[str]]:
    """Address hashes of the dormant people who have one of these, or are one of these.

    Args:
        warehouse: with `marts.dim_people`.
        key: of the addresses' hashes.
        hashes: as `AddressKey.hash` gives them.
        people: person ids; who is named and has no address has no hashes.
    """
    odd = [address for (address,) in warehouse.execute(_ODD_SQL).fetchall()]
    tables = {
        "odd_addresses": {"address": odd, "hash": [key.hash(address) for address in odd]},
        "hashes_of_interest": {"hash": list(hashes)},
        "people_of_interest": {"person_id": list(people)},
    }
    for name, columns in tables.items():
        warehouse.register(
            name, pa.table({column: pa.array(values, pa.string()) for column, values in columns.items()})
        )
    padded = key.secret.ljust(_BLOCK, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))
    try:
        rows = warehouse.execute(_HASHES_SQL, {"key_id": key.key_id, "inner": inner, "outer": outer}).fetchall()
    finally:
        for name in tables:
            warehouse.unregister(name)
    return {person: frozenset(own) for person, own in rows}
