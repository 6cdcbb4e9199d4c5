"""Frequency caps at planning: whom contacts of earlier days leave no room for, and who of today's takes none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contracts.words import Channel
from recovery.cadence import Cap, Contact, Proposal, admit, room

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pace:
    """What caps are counted from.

    Attributes:
        caps: of the house; those of states hold at the re-check.
        contacts: of earlier batches, made or to be made; a merged person's carry the person's present id.
        hashes: keyed hash by address, needed only where a cap counts addresses.
    """

    caps: tuple[Cap, ...] = ()
    contacts: tuple[Contact, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def full(self, people: pd.DataFrame, channels: Mapping[Channel, Bools], *, at: datetime) -> dict[Channel, Bools]:
        """For each channel, who of those it is open to has no room left for one more contact.

        Args:
            people: columns person_id, account_id, email, phone_e164.
            channels: who could be contacted through which channel.
            at: naive UTC.
        """
        met = {unit for contact in self.contacts for unit in contact.units.items()}
        rows = self._met(people, met) if met or any(cap.most == 0 for cap in self.caps) else []
        proposals = [
            Proposal(f"{row}|{channel.value}", at, channel.value, self._units(people, row, channel), 0.0)
            for channel, is_open in channels.items()
            for row in rows
            if is_open[row]
        ]
        hits = room(proposals, self.contacts, self.caps)
        found = {channel: np.zeros(len(people), dtype=bool) for channel in channels}
        for name, hit in hits.items():
            row, _, channel = name.partition("|")
            found[Channel(channel)][int(row)] = hit is not None
        return found

    def overflow(self, people: pd.DataFrame, channel: npt.NDArray[np.object_], rank: npt.NDArray[np.int64],
                 chosen: Bools, *, at: datetime) -> Bools:  # fmt: skip
        """Who of the chosen finds no room beside better ones of the same day; held-out people count like the others.

        Args:
            people: as in `full`.
            channel: of the chosen.
            rank: the best first.
            chosen: rows.
            at: naive UTC.
        """
        proposals = [
            Proposal(str(row), at, channel[row], self._units(people, row, Channel(channel[row])), float(rank[row]))
            for row in np.flatnonzero(chosen).tolist()
        ]
        hits = admit(proposals, self.contacts, self.caps) if self.caps else {}
        found = np.zeros(len(people), dtype=bool)
        found[[int(name) for name, hit in hits.items() if hit is not None]] = True
        return found

    def _met(self, people: pd.DataFrame, met: set[tuple[str, str]]) -> list[int]:
        """Rows of people whom, or whose account or address, an earlier contact reached; all where a cap is 0."""
        if any(cap.most == 0 for cap in self.caps):
            return list(range(len(people)))
        named: dict[str, set[str]] = {}
        for scope, unit in met:
            named.setdefault(scope, set()).add(unit)
        mine = people["person_id"].isin(named.get("person", ())) | people["account_id"].isin(named.get("account", ()))
        for column in ("email", "phone_e164") if self.hashes else ():
            mine |= people[column].map(self.hashes).isin(named.get("address", ()))
        rows: list[int] = np.flatnonzero(mine.to_numpy(dtype=bool)).tolist()
        return rows

    def _units(self, people: pd.DataFrame, row: int, channel: Channel) -> dict[str, str]:
        units = {"person": str(people["person_id"].iat[row])}
        account: Any = people["account_id"].iat[row]
        if isinstance(account, str) and account:
            units["account"] = account
        address = people["email" if channel is Channel.EMAIL else "phone_e164"].iat[row]
        if hashed := self.hashes.get(address) if isinstance(address, str) else None:
            units["address"] = hashed
        return units
