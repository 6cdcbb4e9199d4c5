"""Every recipe, fitted once."""

from __future__ import annotations

import pytest

from tests.models.scoring.fitted import RECIPE_NAMES, Fitted, fit


@pytest.fixture(scope="session", params=RECIPE_NAMES)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    """One fitted recipe."""
    return fit(request.param)


@pytest.fixture(scope="session")
def trees() -> Fitted:
    """The fitted boosting."""
    return fit("hist_gradient_boosting", kinds=("number", "flag", "category"))
