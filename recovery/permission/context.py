"""The facts that a touch was planned on, kept with it: the re-check and `recovery explain` start from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import orjson

from contracts.errors import PermanentError
from recovery.permission.facts import ContactFacts, Fact, Recipient, Stance

# Raised when older contexts can no longer be read.
_VERSION: Final = 1
# Kind of its rows in the ledger's erasable table.
CONTEXT: Final = "permission"
_SETS: Final = ("countries", "states", "zones")
_PLAIN: Final = ("has_country_conflict", "is_state_known", "has_address", "has_opt_out_source", "dormant_days")


@dataclass(frozen=True, slots=True)
class Context:
    """What the plan knew when it chose a touch; ids and keyed hashes, no address.

    Attributes:
        facts: as seen by the touch's channel.
        address_hashes: every address and number of the person then.
        is_job_related: the words concern the recipient's work.
        rules_sha256: fingerprint of the rules that the plan was made under.
    """

    facts: ContactFacts
    address_hashes: frozenset[str] = frozenset()
    is_job_related: bool = False
    rules_sha256: str = ""


def dump_context(context: Context) -> str:
    """JSON with sorted keys and lists: equal contexts give equal text."""
    facts = context.facts
    content: dict[str, Any] = {
        "version": _VERSION,
        "address_hashes": sorted(context.address_hashes),
        "is_job_related": context.is_job_related,
        "rules": context.rules_sha256,
        "recipient": int(facts.recipient),
        "facts": sorted((_dump_fact(fact) for fact in facts.facts), key=orjson.dumps),
        **{name: sorted(getattr(facts, name)) for name in _SETS},
        **{name: getattr(facts, name) for name in _PLAIN},
    }
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()


def load_context(text: str | bytes) -> Context:
    """The context of a touch.

    Raises:
        PermanentError: it is not one, or a newer release wrote it.
    """
    try:
        content = orjson.loads(text)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        facts = ContactFacts(
            recipient=Recipient(content["recipient"]),
            facts=frozenset(_load_fact(fact) for fact in content["facts"]),
            **_plain_of(content),
        )
        return Context(facts, frozenset(content["address_hashes"]), content["is_job_related"], content["rules"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(
            f"What a touch was planned on cannot be read: {error}.", where="contents", remedy="Plan the person again."
        ) from error


def _plain_of(content: dict[str, Any]) -> dict[str, Any]:
    return {name: frozenset(content[name]) for name in _SETS} | {name: content[name] for name in _PLAIN}


def _dump_fact(fact: Fact) -> dict[str, Any]:
    return {
        "channel": fact.channel,
        "stance": fact.stance.value,
        "basis": str(fact.basis),
        "source": fact.source,
        "evidence": fact.evidence,
        "since": fact.since,
        "expires_at": fact.expires_at,
        "collected_during": fact.collected_during,
        "is_optout_offered": fact.is_optout_offered,
        "has_full_record": fact.has_full_record,
        "not_for": sorted(fact.not_for),
    }


def _load_fact(content: dict[str, Any]) -> Fact:
    typed: dict[str, Any] = {"stance": Stance(content["stance"]), "not_for": frozenset(content["not_for"])}
    for name in ("since", "expires_at"):
        typed[name] = None if content[name] is None else date.fromisoformat(content[name])
    return Fact(**(content | typed))
