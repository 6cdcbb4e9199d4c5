"""Small randomised trials with a known effect, made in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.calibration.calibrator import Floats, expit
from models.features import FeatureSpec

FEATURES = (
    *(FeatureSpec(name, "number", "stage", "", "") for name in ("signal", "modifier", "noise")),
    FeatureSpec("market", "category", "stage", "", ""),
)


@dataclass(frozen=True)
class MadeTrial:
    """A trial and the truth behind it; `uplift` is the true effect on the chance of each row."""

    frame: pd.DataFrame
    y: NDArray[np.bool_]
    arm: NDArray[np.object_]
    own: Floats
    groups: NDArray[np.int64]
    uplift: Floats
    p: Floats


def make_trial(
    people: int, *, seed: int, e: float = 0.5, base: float = -2.5, modified: float = 0.0, effect: float = 0.3,
    copies: int = 1,
) -> MadeTrial:  # fmt: skip
    """People with `copies` rows each; the contact moves the log odds by effect + modified x modifier."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), copies)
    signal, modifier = rng.normal(size=people)[person], rng.normal(size=people)[person]
    own_taste = 0.7 * rng.normal(size=people)[person]
    frame = pd.DataFrame({
        "signal": signal, "modifier": modifier, "noise": rng.normal(size=person.size),
        "market": np.array(["us", "de", "fr"], dtype=object)[rng.integers(0, 3, people)][person],
    })  # fmt: skip
    raw = base + 0.8 * signal + own_taste * (copies > 1)
    p, p_contact = expit(raw), expit(raw + effect + modified * modifier)
    treated = rng.random(person.size) < e
    y = rng.random(person.size) < np.where(treated, p_contact, p)
    arm = np.where(treated, "email", "none").astype(object)
    return MadeTrial(frame, y, arm, np.where(treated, e, 1 - e), person, p_contact - p, p)
