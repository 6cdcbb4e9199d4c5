"""Known people about whom something was told: published history and told activities together, scored at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import orjson

from contracts.published import published_path, read_manifest
from models.feature_algebra import Activity, LeadHistory
from models.feature_attributes import RAW_ATTRIBUTES
from models.feature_batch import evaluate_leads
from recovery.access.activities import ToldActivity
from serving.api.rating import rate

if TYPE_CHECKING:
    from serving.api.live import Live

LEADS: Final = "lead_histories"
ACCOUNTS: Final = "account_histories"
_KEPT: Final = 10_000
_ACT: Final = (
    "occurred_at", "observed_at", "kind", "direction", "actor", "outcome_level", "reply_class", "is_machine",
)  # fmt: skip
_AWAKE: Final = "got in touch {days:.1f} days before the as-of date: not dormant, and not scored by the next daily run"
_NO_HISTORY: Final = "{count} told activities are not in this score: no history of the person is published"


class Rescorer:
    """Answers about people with told activities; each is made once per published state, model and day.

    Args:
        published: root of published datasets.
    """

    def __init__(self, published: Path) -> None:
        self._published = published
        self._made: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, live: Live, row: int, told: Sequence[ToldActivity], tomorrow: date) -> bytes:
        """JSON of a known person.

        Args:
            live: the published state.
            row: of the person in `live.people`.
            told: activities that the published score does not know, at least one.
            tomorrow: only what was observed before its 00:00 UTC counts, so that all counts.
        """
        key = (told[0].person_id, len(told), told[-1].activity_id, id(live), live.loaded_at, tomorrow)
        with self._lock:
            known = self._made.get(key)
        if known is None:
            known = self._make(live, row, told, tomorrow)
            with self._lock:
                self._made[key] = known
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
        return known

    def _make(self, live: Live, row: int, told: Sequence[ToldActivity], tomorrow: date) -> bytes:
        person = told[0].person_id
        as_of = live.as_of
        lead = None if as_of is None else read_history(self._published, person, as_of)
        if as_of is None or lead is None:
            return with_warning(live.people.body(row), _NO_HISTORY.format(count=len(told)))
        news = tuple(Activity(*(getattr(one, name) for name in _ACT)) for one in told)
        whole = LeadHistory((*lead.activities, *news), lead.colleagues, lead.attributes, lead.dormant_after_days)
        day = max(tomorrow, as_of)
        features = evaluate_leads([whole], day)
        rated = rate(live, features)[0]
        silent = features.number("days_since_last_inbound").item(0)
        if silent < lead.dormant_after_days:
            rated["warnings"].append(_AWAKE.format(days=silent))
        answer = {"person_id": person, "as_of_date": day.isoformat(), "origin": "rescored", **rated}
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def read_history(published: Path, person_id: str, as_of: date) -> LeadHistory | None:
    """What the features of a person are computed from, as published for a date; None when it is not."""
    if any(read_manifest(published, dataset=name, as_of=as_of) is None for name in (LEADS, ACCOUNTS)):
        return None
    leads, accounts = (str(published_path(published, dataset=name, as_of=as_of)) for name in (LEADS, ACCOUNTS))
    names = ("account_id", "dormant_after_days", "activities", *RAW_ATTRIBUTES)
    acts = ", ".join(_ACT)
    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        found = connection.execute(
            f"select {', '.join(names)} from read_parquet(?) where person_id = ?", [leads, person_id]
        ).fetchone()
        if found is None:
            return None
        row = dict(zip(names, found, strict=True))
        others = []
        if row["account_id"] is not None:
            others = connection.execute(
                f"select {acts} from read_parquet(?) where account_id = ? and person_id is distinct from ?",
                [accounts, row["account_id"], person_id],
            ).fetchall()
    own = tuple(Activity(**one) for one in row["activities"])
    attributes = {name: row[name] for name in RAW_ATTRIBUTES}
    return LeadHistory(own, tuple(Activity(*one) for one in others), attributes, row["dormant_after_days"])


def with_warning(body: bytes, warning: str) -> bytes:
    """An answer with one warning more; a published one has none yet."""
    if b'"warnings":' not in body:
        return body[:-1] + b',"warnings":' + orjson.dumps([warning]) + b"}"
    answer = orjson.loads(body)
    answer["warnings"] = [*answer.get("warnings", []), warning]
    return orjson.dumps(answer)
