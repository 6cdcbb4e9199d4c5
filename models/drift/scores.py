"""Whether scores have moved since the model went live."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.calibration.calibrator import Floats

THRESHOLD: Final = 0.25  # the index above which a population counts as shifted (Siddiqi, 2006)
_BINS: Final = 10
_LEAST_SHARE: Final = 1e-4  # keeps an empty bin finite


def stability_index(now: Floats, then: Floats) -> float | None:
    """Population stability index of two samples over tenths of the earlier one; None when either is empty.

    Args:
        now, then: raw log odds, shape (rows,) each.
    """
    if now.size == 0 or then.size == 0:
        return None
    edges = np.unique(np.quantile(then, np.linspace(0, 1, _BINS + 1)[1:-1]))
    shares = []
    for values in (now, then):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1)
        shares.append(np.maximum(counts / values.size, _LEAST_SHARE))
    fresh, old = shares
    return float(((fresh - old) * np.log(fresh / old)).sum())
