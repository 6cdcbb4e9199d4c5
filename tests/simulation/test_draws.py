from __future__ import annotations

import numpy as np

from simulation.draws import choice, exponential, normal, uniform


def test_a_draw_depends_on_its_key_alone():
    keys = np.arange(10_000)
    whole = uniform(7, 3, keys, 5)
    assert np.array_equal(whole[4_000:4_100], uniform(7, 3, keys[4_000:4_100], 5))
    for other in (uniform(8, 3, keys, 5), uniform(7, 4, keys, 5), uniform(7, 3, keys, 6)):
        assert abs(np.corrcoef(whole, other)[0, 1]) < 0.04


def test_draws_have_the_stated_distributions():
    keys = np.arange(200_000)
    u, z, e = uniform(1, 1, keys), normal(1, 2, keys), exponential(1, 3, keys)
    assert 0 <= u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 0.003
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs(e.mean() - 1) < 0.01
    assert np.allclose(np.bincount(choice(1, 4, (1, 3), keys)) / len(keys), (0.25, 0.75), atol=0.005)
