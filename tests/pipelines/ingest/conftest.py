from pathlib import Path

import pytest

from tests.pipelines.ingest.helpers import Site, quick_validate


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An installation whose contract looks at the reject share only; one test runs the whole contract."""
    monkeypatch.setattr("pipelines.ingest.expectations.validate", quick_validate)
    return Site(tmp_path)


@pytest.fixture
def full_site(tmp_path: Path) -> Site:
    """An installation with the whole contract."""
    return Site(tmp_path)
