"""The providers' rules for bulk senders, asked of a plan, an approval and a delivery run."""

from __future__ import annotations

import json
from datetime import date
from functools import lru_cache
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import PermanentError
from contracts.settings import Settings
from contracts.words import Channel
from pipelines.ingest.normalise import site_domain
from recovery.delivery.preflight import (
    Forecast,
    Posting,
    Provider,
    count_providers,
    forecast,
    objection,
    unmet_rules,
)
from recovery.ledger import BatchRecord, BatchState, Ledger

_LEFT: Final = (BatchState.EMITTED, BatchState.RUNNING, BatchState.PAUSED, BatchState.STOPPED, BatchState.FINISHED)


def mail_facts(table: pa.Table, people: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """What a plan brings to mailbox providers, and what is missing of their rules.

    Args:
        table: the plan's rows.
        people: columns person_id and email.
        settings: the sender and what is declared about its DNS.
    """
    rows = table.filter(
        pc.and_(pc.equal(table["decision"], "contacted"), pc.equal(table["channel"], Channel.EMAIL.value))
    )
    chosen = people.loc[people["person_id"].isin(rows["person_id"].to_pylist()), ["person_id", "email"]]
    addresses = chosen.drop_duplicates("person_id")["email"].dropna().tolist()
    domain = sending_domain(settings)
    return {
        "domain": domain,
        "by_provider": {provider.value: count for provider, count in count_providers(addresses).items()},
        "unmet": list(unmet_rules(settings.sender_dns, domain=domain, registered=_registered)),
    }


def sending_domain(settings: Settings) -> str:
    """Registered domain of the From address; empty where nobody is named as sender."""
    return _registered((settings.sender_from_address or "").rpartition("@")[2]) or ""


@lru_cache(maxsize=1_024)
def _registered(host: str) -> str | None:
    return site_domain(host) or host.lower() or None


def forecast_of(ledger: Ledger, *, day: date, domain: str, extra: Posting | None = None) -> Forecast:
    """The day's mail of a domain over all senders of this ledger.

    Args:
        ledger: of the installation.
        day: of the decision.
        domain: registered domain of the From address.
        extra: a plan whose batch is not written down yet.
    """
    postings = [posting for record in ledger.batches() if (posting := _posting(record)) is not None]
    return forecast([*postings, *([extra] if extra else [])], day=day, domain=domain)


def _posting(record: BatchRecord) -> Posting | None:
    mail = json.loads(record.facts).get("mail")
    if mail is None or record.state is BatchState.REJECTED:
        return None
    counts = {Provider(name): count for name, count in mail["by_provider"].items()}
    return Posting(record.as_of_date, mail["domain"], counts, has_left=record.state in _LEFT)


def plan_forecast(
    settings: Settings, ledger: Ledger, day: date, mail: dict[str, Any] | None
) -> tuple[Forecast, tuple[str, ...], str | None]:
    """Forecast of a day whose plan may not be a batch yet, what is missing, and why it may not leave.

    Args:
        settings: the sender and what is declared about its DNS.
        ledger: of the installation.
        day: of the plan.
        mail: `mail_facts` of the plan; not counted where the ledger has its batch.
    """
    domain = sending_domain(settings)
    extra = None
    if mail and ledger.batch_of(as_of=day, sender_id=settings.sender_id) is None:
        extra = Posting(day, mail["domain"], {Provider(name): count for name, count in mail["by_provider"].items()})
    found = forecast_of(ledger, day=day, domain=domain, extra=extra)
    unmet = unmet_rules(settings.sender_dns, domain=domain, registered=_registered)
    return found, unmet, objection(found, unmet)


def bulk_objection(settings: Settings, ledger: Ledger, day: date) -> str | None:
    """Why mail of a day may not leave, or None."""
    domain = sending_domain(settings)
    unmet = unmet_rules(settings.sender_dns, domain=domain, registered=_registered)
    return objection(forecast_of(ledger, day=day, domain=domain), unmet)


def require_bulk_rules(settings: Settings, ledger: Ledger, record: BatchRecord) -> None:
    """Refuse to approve or begin a batch whose day makes a bulk sender that does not meet the rules.

    Raises:
        PermanentError: what is missing.
    """
    posting = _posting(record)
    if posting is None or not posting.counts:
        return
    why = bulk_objection(settings, ledger, record.as_of_date)
    if why is not None:
        raise PermanentError(
            f"{why}.",
            where=f"{record.batch_id}, RECOVERY_SENDER_DNS",
            remedy="Mend the records, declare them in RECOVERY_SENDER_DNS (docs/delivery.md), or send less a day.",
        )
