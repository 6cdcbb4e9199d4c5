"""What each touch was planned on, kept in the ledger for the re-check and for `recovery explain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from recovery.addresses import AddressKey
from recovery.permission.context import dump_context, load_context
from recovery.planning import touch_id


def contexts_of(plan: pa.Table, people: Mapping[str, Mapping[str, Any]], key: AddressKey) -> dict[str, str]:
    """Facts and keyed hashes of the person's addresses for each touch of a plan, as text by touch_id.

    Args:
        plan: rows of the chosen people.
        people: by person_id, with `email` and `phone_e164`.
        key: of the hashes.
    """
    found = {}
    for row in plan.select(["person_id", "playbook", "step", "cycle", "permission"]).to_pylist():
        person = people[row["person_id"]]
        addresses = (person.get(name) for name in ("email", "phone_e164"))
        hashes = frozenset(key.hash(address) for address in addresses if address)
        context = replace(load_context(row["permission"]), address_hashes=hashes)
        identifier = touch_id(row["person_id"], row["playbook"], row["step"], row["cycle"])
        found[identifier] = dump_context(context)
    return found
