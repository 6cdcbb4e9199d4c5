"""Small look-alikes of tables that an assessment meets, with a law that is known."""

from __future__ import annotations

import numpy as np
import pandas as pd


def expit(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-z))


def leads(rows: int = 1_500, *, seed: int = 1, signal: float = 1.0, base: float = -1.2) -> pd.DataFrame:
    """Past leads: numbers with gaps, categories, a constant, an empty column and an identifier."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(3, rows).astype(float)
    minutes = rng.lognormal(2, 1, rows)
    source = rng.choice(["search", "referral", "fair", "mail"], rows, p=[0.5, 0.2, 0.2, 0.1])
    gaps = rng.random(rows) < 0.2
    log_odds = base + signal * (0.25 * (visits - 3) + 0.5 * (np.log(minutes) - 2) + 0.9 * (source == "referral"))
    frame = pd.DataFrame(
        {
            "lead_id": [f"L{number:06d}" for number in rng.permutation(rows)],
            "visits": visits,
            "minutes": np.where(gaps, np.nan, minutes),
            "source": source,
            "noise": rng.normal(size=rows),
            "country": rng.choice(["DE", "FR", "US"], rows),
            "version": 2.0,
            "fax": np.nan,
        }
    )
    frame["won"] = np.where(rng.random(rows) < expit(log_odds), "Yes", "No")
    return frame


def donors(rows: int = 6_000, *, columns: int = 120, seed: int = 2) -> pd.DataFrame:
    """Lapsed donors: few respond, gifts have a heavy tail, big givers respond less often, many columns say nothing."""
    rng = np.random.default_rng(seed)
    last_gift = np.round(rng.lognormal(2.7, 0.7, rows), 0) + 1
    gifts = rng.poisson(5, rows) + 1.0
    months = rng.integers(12, 25, rows).astype(float)
    log_odds = -3.2 + 0.4 * (gifts - 6) - 0.4 * (np.log(last_gift) - 2.7) - 0.15 * (months - 18)
    responded = rng.random(rows) < expit(log_odds)
    amount = np.round(np.exp(0.85 * np.log(last_gift) + 0.4 + 0.4 * rng.normal(size=rows)), 2)
    frame = pd.DataFrame(
        {"CONTROLN": rng.permutation(2 * rows)[:rows], "LASTGIFT": last_gift, "NGIFTALL": gifts, "MONTHS": months}
    )
    wide = {
        f"RAMNT_{index}": np.where(rng.random(rows) < 0.85, np.nan, rng.lognormal(2, 1, rows))
        for index in range(columns)
    }
    frame = pd.concat([frame, pd.DataFrame(wide)], axis=1)
    frame["TARGET_B"] = responded.astype(int)
    frame["TARGET_D"] = np.where(responded, amount, 0.0)
    return frame


def emails(rows: int = 12_000, *, seed: int = 3) -> pd.DataFrame:
    """A randomised e-mail test with two arms and a control; one arm helps those who bought that kind before."""
    rng = np.random.default_rng(seed)
    arm = rng.choice(["Mens E-Mail", "Womens E-Mail", "No E-Mail"], rows)
    womens = rng.random(rows) < 0.5
    recency = rng.integers(1, 13, rows).astype(float)
    history = rng.lognormal(5, 1, rows)
    lift = np.where(arm == "Mens E-Mail", 0.7, np.where(arm == "Womens E-Mail", 1.2 * womens, 0.0))
    visit = rng.random(rows) < expit(-1.8 - 0.08 * (recency - 6) + 0.15 * (np.log(history) - 5) + lift)
    return pd.DataFrame(
        {
            "recency": recency,
            "history": np.round(history, 2),
            "womens": womens.astype(int),
            "channel": rng.choice(["Web", "Phone", "Multichannel"], rows),
            "segment": arm,
            "visit": visit.astype(int),
        }
    )


def purchases(customers: int = 700, *, seed: int = 4) -> pd.DataFrame:
    """Monthly rows of customers: does the customer buy next month? Rows of a customer are alike."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=customers)
    rows = []
    for month in pd.date_range("2024-01-01", periods=8, freq="MS"):
        orders = rng.poisson(np.exp(0.5 * taste))
        bought = rng.random(customers) < expit(-1.5 + 0.9 * taste + 0.2 * orders)
        rows.append(
            pd.DataFrame(
                {
                    "customer_id": [f"C{index:05d}" for index in range(customers)],
                    "month": month.strftime("%d.%m.%Y"),
                    "orders_last_90d": orders,
                    "basket": np.round(rng.lognormal(3 + 0.2 * taste, 0.5), 2),
                    "buys": bought.astype(int),
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    frame["month"] = frame["month"].str.replace("01.", "15.", n=1, regex=False)
    return frame
