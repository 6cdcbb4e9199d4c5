"""A small panel of people with a known law, for tests of the models."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from models.features import FeatureSpec

SPECS = (
    FeatureSpec("days_since_last_inbound", "number", "recency", "Days.", "silent for {value:.0f} days"),
    FeatureSpec("inbound_last_90d", "number", "frequency", "Acts.", "{value:.0f} own acts in 90 days"),
    FeatureSpec("email_reply_rate_last_365d", "number", "channel", "Rate.", "answers {value:.0%} of mails"),
    FeatureSpec("is_free_mail", "flag", "firmographics", "Flag.", "free mail address: {value:.0f}"),
    FeatureSpec("title_level", "category", "firmographics", "Seniority.", "seniority {value}"),
    FeatureSpec("industry_group", "category", "firmographics", "Industry.", "industry {value}"),
    FeatureSpec("employee_count", "number", "firmographics", "Employees.", "company of {value:.0f} people"),
    FeatureSpec("outbound_last_30d", "number", "exposure", "Contacts.", "{value:.0f} contacts by us in 30 days"),
)
LAST_DATE = date(2026, 6, 1)


def panel(
    *, people: int = 1_500, weeks: int = 21, seed: int = 3, strength: float = 1.0, last: date = LAST_DATE
) -> pd.DataFrame:
    """Weekly snapshots up to `last` with outcomes; `strength` 0 makes outcomes independent of the features."""
    rng = np.random.default_rng(seed)
    warmth = rng.normal(size=people)
    titles = np.array(["c_level", "vp", "director", "manager", "individual", None], dtype=object)
    groups = np.array(["technology", "retail", "education", "other", None], dtype=object)
    fixed = pd.DataFrame(
        {
            "person_id": [f"p{index:06d}" for index in range(people)],
            "account_id": [f"a{index // 3:06d}" if index % 2 else None for index in range(people)],
            "is_free_mail": (rng.random(people) < 0.3).astype(float),
            "title_level": titles[rng.integers(0, 6, people)],
            "industry_group": groups[rng.integers(0, 5, people)],
            "employee_count": np.where(rng.random(people) < 0.2, np.nan, np.exp(rng.normal(5, 2, people))),
        }
    )
    parts = []
    for back in reversed(range(weeks)):
        day = fixed.copy()
        day["as_of_date"] = last - timedelta(weeks=back)
        day["days_since_last_inbound"] = np.clip(120 - 40 * warmth + rng.normal(0, 20, people), 30, 400)
        day["inbound_last_90d"] = rng.poisson(np.exp(0.4 * warmth)).astype(float)
        rate = 1 / (1 + np.exp(-warmth + rng.normal(0, 1, people)))
        day["email_reply_rate_last_365d"] = np.where(rng.random(people) < 0.3, np.nan, rate)
        day["outbound_last_30d"] = rng.poisson(1.0, people).astype(float)
        odds = -2.9 + strength * (1.1 * warmth + 0.5 * (day["is_free_mail"] - 0.3))
        day["y"] = rng.random(people) < 1 / (1 + np.exp(-odds))
        day["event_at"] = pd.Timestamp(last - timedelta(weeks=back)) + pd.Timedelta(days=3)
        parts.append(day)
    return pd.concat(parts, ignore_index=True)
