from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from simulation import WorldSettings, optima
from simulation.optimum import fit_obvious, fresh_sample, obvious


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory):
    truth = tmp_path_factory.mktemp("optimum")
    return truth, optima(WorldSettings(people=500), truth=truth, fresh_people=45_000)


def test_the_default_world_is_as_hard_as_stated(measured):
    """Trees fitted on a twentieth of the people reach less than the optimum, so the share is a little higher here."""
    _, found = measured
    assert 0.69 <= found.observable_auc <= 0.80
    assert found.logistic_share <= 0.92
    assert found.observable_auc + 0.04 < found.oracle_auc < 0.9
    assert found.oracle_log_loss < found.observable_log_loss
    assert 0.03 <= found.base_rate <= 0.08


def test_optima_are_cached_by_the_law(measured):
    truth, found = measured
    assert optima(WorldSettings(people=900, seed=8), truth=truth, fresh_people=45_000) == found
    other = WorldSettings(signal=0.5)
    assert other.law_fingerprint() != WorldSettings().law_fingerprint()
    assert (truth / "optimum" / "people.parquet").exists()


def test_without_signal_nothing_can_be_learned():
    world = WorldSettings(signal=0.0, contact_effect=0.0)
    fitted = fresh_sample(world, first=0, chunks=3)
    fresh = fresh_sample(world, first=3, chunks=3)
    p = fit_obvious(fitted).predict_proba(obvious(fresh.names, fresh.table))[:, 1]
    y = fresh.reacted
    error = np.sqrt((len(y) + 1) / (12 * y.sum() * (len(y) - y.sum())))
    assert abs(roc_auc_score(y, p) - 0.5) < 3 * error
