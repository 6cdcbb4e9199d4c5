"""Reads the day's scores: tiers, the shape of the points, and the leads at the top."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import duckdb

from pipelines.feedback.report.facts import Lead, Reason, Scores
from pipelines.feedback.report.words import CHANNELS, SKIPS, clean

LEADS_SHOWN: Final = 20
REASONS_SHOWN: Final = 5

_TOP_LEADS: Final = """
with top as (
    select person_id, owner_id, crm, p, points, percentile, tier, anchor, reasons
    from read_parquet($scores, hive_partitioning = false)
    order by p desc, raw desc nulls last, person_id
    limit {limit}
),
people as ({people}),
plan as ({plan})
select
    top.person_id, people.first_name, people.last_name, people.job_title, people.company_name,
    people.city, people.country, top.crm, people.record_id, top.owner_id, top.p, top.anchor, top.points,
    top.percentile, top.tier, people.dormant_days, plan.decision, plan.channel, plan.not_before, plan.reason,
    top.reasons
from top
left join people using (person_id)
left join plan using (person_id)
order by top.p desc, top.person_id
"""
_PEOPLE: Final = """
    select person_id, first_name, last_name, job_title, company_name, city, country, record_id, dormant_days
    from marts.dim_people where person_id in (select person_id from top)
"""
_NO_PEOPLE: Final = """
    select null::varchar as person_id, null as first_name, null as last_name, null as job_title,
        null as company_name, null as city, null as country, null as record_id, null::int as dormant_days
    limit 0
"""
_PLAN: Final = """
    select person_id, decision, channel, not_before, reason
    from read_parquet($plan, hive_partitioning = false) where person_id in (select person_id from top)
"""
_NO_PLAN: Final = """
    select null::varchar as person_id, null::varchar as decision, null::varchar as channel,
        null::timestamp as not_before, null::varchar as reason limit 0
"""


def read_scores(
    connection: duckdb.DuckDBPyConnection, *, scores_file: Path, plan_file: Path | None, has_people: bool
) -> Scores:
    """Counts by tier, a histogram in five-point bins, and the first twenty leads.

    Args:
        connection: the warehouse.
        scores_file: published `lead_scores` of the day.
        plan_file: published `campaign_plan` of the day, or None.
        has_people: whether `marts.dim_people` exists.
    """
    source = "from read_parquet(?, hive_partitioning = false)"
    tiers = connection.execute(f"select tier, count(*) {source} group by 1", [str(scores_file)]).fetchall()
    bins = connection.execute(
        f"select least(points // 5 * 5, 95)::int, count(*) {source} group by 1 order by 1", [str(scores_file)]
    ).fetchall()
    return Scores(
        rows=sum(number for _, number in tiers),
        tiers=dict(sorted(tiers)),
        histogram=dict(bins),
        leads=_leads(connection, scores_file, plan_file, has_people=has_people),
    )


def _leads(
    connection: duckdb.DuckDBPyConnection, scores_file: Path, plan_file: Path | None, *, has_people: bool
) -> tuple[Lead, ...]:
    sql = _TOP_LEADS.format(
        limit=LEADS_SHOWN,
        people=_PEOPLE if has_people else _NO_PEOPLE,
        plan=_PLAN if plan_file else _NO_PLAN,
    )
    bound = {"scores": str(scores_file)} | ({"plan": str(plan_file)} if plan_file else {})
    found = connection.execute(sql, bound)
    names = [column[0] for column in found.description or []]
    return tuple(_lead(dict(zip(names, row, strict=True))) for row in found.fetchall())


def _lead(row: dict[str, Any]) -> Lead:
    name = " ".join(part for part in (clean(row["first_name"], 40), clean(row["last_name"], 40)) if part)
    place = ", ".join(part for part in (clean(row["city"], 40), clean(row["country"], 3)) if part)
    return Lead(
        person_id=str(row["person_id"]),
        name=name or "Name unknown",
        title=clean(row["job_title"], 60),
        company=clean(row["company_name"], 60),
        place=place,
        crm=clean(row["crm"], 20),
        record_id=clean(row["record_id"], 40),
        owner=clean(row["owner_id"], 40),
        p=float(row["p"]),
        anchor=row["anchor"],
        points=int(row["points"]),
        percentile=float(row["percentile"]),
        tier=str(row["tier"]),
        dormant_days=row["dormant_days"],
        next_step=next_step(row["decision"], row["channel"], row["not_before"], row["reason"]),
        reasons=_reasons(row["reasons"]),
    )


def _reasons(found: list[dict[str, Any]] | None) -> tuple[Reason, ...]:
    reasons = [Reason(clean(item.get("words"), 140), float(item.get("points") or 0.0)) for item in found or []]
    return tuple(reason for reason in reasons if reason.words)[:REASONS_SHOWN]


def next_step(decision: str | None, channel: str | None, not_before: Any, reason: str | None) -> str:
    """What happens to a lead, in words; empty for held-out people, so that nobody acts on them by themselves."""
    if decision == "contacted":
        what = CHANNELS.get(channel or "", channel or "contact")
        when = f" on {not_before:%-d %b}" if hasattr(not_before, "strftime") else ""
        return f"{what}{when}"
    if decision == "skipped" and reason and reason != "global_holdout":
        known = SKIPS.get(reason)
        return f"not contacted: {known.words if known else reason.replace('_', ' ')}"
    return ""
