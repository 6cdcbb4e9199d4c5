"""The plan as a table and as facts for readers."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from contracts.words import Arm, Channel
from recovery.permission import UNLOCK, WORDS, Decision, Status
from recovery.permission.context import dump_context
from recovery.planning.effects import Differences, effect_words
from recovery.planning.moments import GoodHours, at_good_hour
from recovery.planning.permits import Permits
from recovery.planning.policy import PlanPolicy
from recovery.planning.power import smallest_visible_effect
from recovery.planning.value import DealStatistics, value_words
from recovery.planning.waterfall import waterfall

if TYPE_CHECKING:
    from recovery.planning.plan import PlanState

PLAN_SCHEMA: Final = pa.schema(
    [
        ("as_of_date", pa.date32()),
        *((name, pa.string()) for name in ("person_id", "account_id", "owner_id", "team_id", "source", "crm")),
        *((name, pa.string()) for name in ("record_object", "record_id", "decision", "channel", "arm")),
        *((name, pa.string()) for name in ("reason", "unlock")),
        ("rank", pa.int32()),
        ("p", pa.float64()),
        ("points", pa.int32()),
        ("tier", pa.string()),
        ("value", pa.float64()),
        ("value_basis", pa.string()),
        ("propensity", pa.float64()),
        ("playbook", pa.string()),
        ("step", pa.int32()),
        ("cycle", pa.int32()),
        ("not_before", pa.timestamp("us")),
        ("expires_at", pa.timestamp("us")),
        ("policy_version", pa.string()),
        ("alternatives", pa.string()),
        ("permission", pa.string()),
    ]
)
_FROM_PEOPLE: Final = ("person_id", "account_id", "owner_id", "team_id", "source", "crm", "record_object", "record_id")
CHOSEN_ARMS: Final = (Arm.CONTACTED.value, Arm.EXPLORED.value)


def plan_table(
    state: PlanState,
    permits: Permits,
    scores: pd.DataFrame,
    policy: PlanPolicy,
    version: str,
    good_hours: GoodHours,
) -> pa.Table:
    """Rows of `PLAN_SCHEMA` in order of person_id."""
    count = len(state.people)
    decision = np.where(~state.is_open, "skipped", np.where(state.arm == Arm.HELD_OUT.value, "held_out", "contacted"))
    begins, ends = _windows(state, permits, policy, good_hours)
    columns: dict[str, Any] = {
        "as_of_date": pa.array([policy.as_of] * count, pa.date32()),
        **{name: _texts(state.people[name]) for name in _FROM_PEOPLE},
        "decision": pa.array(decision.tolist(), pa.string()),
        "channel": pa.array(state.channel.tolist(), pa.string()),
        "arm": pa.array(state.arm.tolist(), pa.string()),
        "reason": pa.array(state.reason.tolist(), pa.string()),
        "unlock": pa.array([_UNLOCK.get(reason) for reason in state.reason.tolist()], pa.string()),
        "rank": pa.array(state.rank, pa.int32(), mask=state.rank < 0),
        "p": pa.array(scores["p"].astype("float64").to_numpy(), from_pandas=True),
        "points": pa.array(scores["points"].astype("float64").to_numpy(), pa.float64(), from_pandas=True).cast(
            pa.int32()
        ),
        "tier": _texts(scores["tier"]),
        "value": pa.array(state.value, from_pandas=True),
        "value_basis": pa.array(state.value_basis, pa.string()),
        "propensity": pa.array(state.propensity),
        "playbook": pa.array(state.playbook.tolist(), pa.string()),
        "step": pa.array(state.step, pa.int32()),
        "cycle": pa.array(state.people["cycle"].astype("int64").to_numpy(), pa.int32()),
        "not_before": pa.array(begins, pa.timestamp("us")),
        "expires_at": pa.array(ends, pa.timestamp("us")),
        "policy_version": pa.array([version] * count, pa.string()),
        "alternatives": _alternatives(permits),
        "permission": pa.array(_contexts(state, permits), pa.string()),
    }
    return pa.table(columns, schema=PLAN_SCHEMA)


_UNLOCK: Final = {reason.value: words for reason, words in UNLOCK.items()}


def _texts(column: pd.Series[Any]) -> pa.Array:
    return pa.array(_plain(column), pa.string())


def _plain(column: pd.Series[Any]) -> list[Any]:
    values: list[Any] = column.astype("object").where(column.notna(), None).tolist()
    return values


def _windows(
    state: PlanState, permits: Permits, policy: PlanPolicy, good_hours: GoodHours
) -> tuple[list[datetime | None], list[datetime | None]]:
    begins: list[datetime | None] = [None] * len(state.people)
    ends: list[datetime | None] = [None] * len(state.people)
    persons, zones = state.people["person_id"].tolist(), _plain(state.people["time_zone"])
    for row in np.flatnonzero(state.is_open).tolist():
        decision = permits.decisions[permits.group[row]].get(Channel(state.channel[row]))
        if decision is None or decision.window is None:
            continue
        closes = decision.window.closes
        end = closes if decision.expires_at is None else min(closes, decision.expires_at)
        first = max(decision.window.opens, policy.release_at)
        begins[row] = at_good_hour(first, end, zones[row], good_hours.get(persons[row])).replace(tzinfo=None)
        ends[row] = end.replace(tzinfo=None)
    return begins, ends


def _contexts(state: PlanState, permits: Permits) -> list[str | None]:
    """What each chosen person's permission was decided from; None for everybody else."""
    found: list[str | None] = [None] * len(state.people)
    for row in np.flatnonzero(state.is_open).tolist():
        found[row] = dump_context(permits.context(row, Channel(state.channel[row])))
    return found


def _alternatives(permits: Permits) -> pa.Array:
    words = [json.dumps({c.value: _outcome(d) for c, d in found.items()}) for found in permits.decisions]
    return pa.DictionaryArray.from_arrays(pa.array(permits.group, pa.int64()), pa.array(words, pa.string())).cast(
        pa.string()
    )


def _outcome(decision: Decision) -> str:
    if decision.status is Status.REFUSED:
        return decision.reason.value if decision.reason else "refused"
    until = f" until {decision.expires_at:%Y-%m-%d}" if decision.expires_at else ""
    return f"allowed: {decision.basis}{until}"


def plan_facts(
    state: PlanState,
    table: pa.Table,
    allowed: dict[Channel, npt.NDArray[np.bool_]],
    p: npt.NDArray[np.float64],
    deals: DealStatistics,
    changes: Differences,
    policy: PlanPolicy,
    version: str,
) -> dict[str, Any]:
    """Counts that add up, power and words; floats are rounded so that equal plans give equal bytes."""
    decisions = Counter(table["decision"].to_pylist())
    skipped = Counter(reason for reason in state.reason.tolist() if reason is not None)
    contacted = np.isin(state.arm, CHOSEN_ARMS) & state.is_open
    held = (state.arm == Arm.HELD_OUT.value) & state.is_open
    chosen = contacted | held
    nobody = np.zeros(len(state.people), dtype=bool)
    base = float(p[chosen].mean()) if chosen.any() else 0.0
    effect = smallest_visible_effect(base, contacted=int(contacted.sum()), controls=int(held.sum()))
    by_channel = Counter(state.channel[contacted].tolist())
    return {
        "dormant": len(state.people),
        "planned": decisions["contacted"],
        "held_out": decisions["held_out"],
        "explored": int((state.arm[contacted] == Arm.EXPLORED.value).sum()),
        "skipped": dict(sorted(skipped.items())),
        "contactable": int(np.logical_or.reduce([nobody, *allowed.values()]).sum()),
        "contactable_by_channel": {channel.value: int(flags.sum()) for channel, flags in allowed.items()},
        "ranked": int((state.rank > 0).sum()),
        "by_channel": dict(sorted(by_channel.items())),
        "power": {
            "controls": int(held.sum()),
            "smallest_visible_effect": None if effect is None else round(effect, 6),
        },
        "waterfall": waterfall(state.people, state.reason, policy),
        "value_basis_words": value_words(deals, policy.currency, effect_words(changes)),
        "measured_channels": [channel.value for channel in changes.measured],
        "left_alone": int(changes.is_left_alone.sum()),
        "cost": round(sum(policy.cost.get(Channel(name), 0.0) * n for name, n in by_channel.items()), 4),
        "expected": round(float(np.nansum(state.value[contacted])), 4),
        "expected_unit": policy.currency if deals.speaks_of_money else "reactivations",
        "expected_reactivations_handled_as_usual": round(float(np.nansum(p[contacted])), 4),
        "holds": [{"reason": hold.value, "words": WORDS[hold], "unlock": UNLOCK[hold]} for hold in policy.holds],
        "policy_version": version,
    }
