"""Empirical Bayes for rates: how far a small cell is drawn to what is known above it."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.calibration.calibrator import Floats

NO_DIFFERENCE: Final = float("inf")
_SURE: Final = 1.64  # one-sided 95 %: less is what chance does


def strength(hits: Floats, tries: Floats, prior: Floats) -> float:
    """Tries that the prior is worth: binomial variance over the variance between cells, by moments.

    Args:
        hits, tries, prior: of each cell, shape (cells,); cells without tries are left out.

    Returns:
        `inf` where cells differ no more than chance makes them differ (Kleinman, 1973).
    """
    used = tries > 0
    n, k, mean = tries[used], hits[used], np.clip(prior[used], 1e-9, 1 - 1e-9)
    if n.size < 2:
        return NO_DIFFERENCE
    noise = mean * (1 - mean)
    # Under chance n (k/n - mean)^2 has mean `noise` and variance 2 noise^2 + noise (1 - 6 noise) / n (binomial).
    excess = float((n * (k / n - mean) ** 2 - noise).sum())
    spread = float(np.sqrt((2 * noise**2 + noise * (1 - 6 * noise) / n).clip(0).sum()))
    if excess <= _SURE * spread:
        return NO_DIFFERENCE
    between = excess / float(n.sum())
    return float(noise.mean() / between)


def shrunk(hits: Floats, tries: Floats, prior: Floats, worth: float) -> Floats:
    """Posterior mean of each cell's rate."""
    if np.isinf(worth):
        return np.asarray(prior, dtype=np.float64)
    return np.asarray((hits + worth * prior) / (tries + worth))


def error(rate: Floats, tries: Floats, worth: float) -> Floats:
    """Posterior deviation of each cell's rate, of a beta distribution; 0 where the prior is all there is."""
    if np.isinf(worth):
        return np.zeros_like(rate)
    return np.asarray(np.sqrt(rate * (1 - rate) / (tries + worth + 1.0)))
