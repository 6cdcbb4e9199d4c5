"""The rules of each country as dated, cited data files in `rules/`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import PermanentError
from contracts.words import Basis
from recovery.permission.facts import Recipient
from recovery.permission.hours import Hours

RULES_DIR: Final = Path(__file__).parent / "rules"
ELSEWHERE: Final = "*"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ground(_Strict):
    """One way to be allowed: a fact of one of the bases that meets every condition.

    Attributes:
        basis: kinds of facts that count.
        within_months: the fact must not be older; None = no limit.
        recipient: least kind of address holder.
        content: `job_related` holds only for such words.
        needs_collection_facts: collected during a sale or negotiation, and an opt-out was offered then.
    """

    basis: frozenset[Basis]
    within_months: int | None = Field(None, ge=1)
    recipient: Literal["any", "work", "corporate"] = "any"
    content: Literal["any", "job_related"] = "any"
    needs_collection_facts: bool = False

    @property
    def least_recipient(self) -> Recipient:
        """The recipient condition as an ordered value."""
        return {"any": Recipient.UNKNOWN, "work": Recipient.WORK, "corporate": Recipient.CORPORATE}[self.recipient]


class ChannelRule(_Strict):
    """Rule of one channel: any ground suffices; `barred_states` are closed whatever the ground."""

    regime: Literal["opt_out", "opt_in", "mixed"]
    words: str = Field(min_length=1)
    cites: tuple[str, ...] = Field(min_length=1)
    grounds: tuple[Ground, ...]
    barred_states: dict[str, str] = {}


class Pack(_Strict):
    """Rules of some countries from a day on."""

    countries: tuple[str, ...] = Field(min_length=1)
    name: str
    valid_from: date
    read_on: date
    certainty: Literal["primary", "secondary", "own_policy"]
    email: ChannelRule
    sms: ChannelRule
    call: ChannelRule


class _HoursFile(_Strict):
    opens: int = Field(ge=0, le=23)
    closes: int = Field(ge=1, le=24)
    weekdays: tuple[int, ...]
    cites: tuple[str, ...]


@dataclass(frozen=True)
class RuleBook:
    """All packs and opening hours.

    Attributes:
        packs: by country, newest first.
        hours: by channel.
        sha256: of the files, part of the policy's version.
    """

    packs: dict[str, tuple[Pack, ...]]
    hours: dict[str, Hours]
    sha256: str

    def pack(self, country: str, day: date) -> Pack:
        """Rules in force in a country on a day; without an entry, the strict ones of everywhere else."""
        for pack in self.packs.get(country, ()):
            if pack.valid_from <= day:
                return pack
        return self.packs[ELSEWHERE][0]

    def rule(self, country: str, channel: str, day: date) -> ChannelRule:
        """Rule of one channel (`email`, `sms`, `call`)."""
        found: ChannelRule = getattr(self.pack(country, day), channel)
        return found


@lru_cache(maxsize=4)
def load_rules(folder: Path = RULES_DIR) -> RuleBook:
    """Read and check every rule file.

    Raises:
        PermanentError: a file is missing or breaks the schema.
    """
    packs: dict[str, list[Pack]] = {}
    hours: dict[str, Hours] = {}
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.yml")):
        digest.update(path.read_bytes())
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            if path.stem == "hours":
                read = {channel: _HoursFile.model_validate(entry) for channel, entry in content.items()}
                hours = {name: Hours(h.opens, h.closes, h.weekdays) for name, h in read.items()}
                continue
            for entry in content:
                pack = Pack.model_validate(entry)
                for country in pack.countries:
                    packs.setdefault(country, []).append(pack)
        except (yaml.YAMLError, ValidationError, TypeError, AttributeError) as error:
            raise PermanentError(f"A rule file cannot be used: {error}.", where=str(path)) from error
    if ELSEWHERE not in packs or set(hours) != {"email", "sms", "call"}:
        raise PermanentError(
            "Rules for everywhere else or opening hours are missing.",
            where=str(folder),
            remedy="Reinstall the package.",
        )
    newest = {
        country: tuple(sorted(found, key=lambda pack: pack.valid_from, reverse=True))
        for country, found in packs.items()
    }
    return RuleBook(packs=newest, hours=hours, sha256=digest.hexdigest())
