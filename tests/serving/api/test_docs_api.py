"""The examples of docs/api.md are run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from pipelines.resources import PROJECT_ROOT
from recovery_client import RecoveryClient
from serving.api.app import create_app
from tests.serving.api.conftest import PEOPLE, Site
from tests.serving.api.processes import in_thread
from tests.serving.api.small_model import histories

PAGE = (PROJECT_ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_examples_of_the_page_work(site: Site) -> None:
    site.publish_histories(histories(len(PEOPLE), seed=21))
    examples = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 6
    told = {}
    with in_thread(create_app(site.state())) as url:
        given = {**os.environ, "API": url, "KEY": site.token(), "PERSON": PEOPLE[5], "NO_PROXY": "127.0.0.1"}
        for example in examples:
            done = subprocess.run(["bash", "-euc", example], env=given, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (example, done.stderr)
            told[example.split("/v1/")[-1].split('"')[0]] = done.stdout
        with RecoveryClient(url, site.token()) as api:
            assert api.score_person(PEOPLE[5]).origin == "rescored"
    assert '"origin":"described"' in told["score"]
    assert told["score/bulk"].count("\n") == 3
    assert '"origin":"rescored"' in told["events"]
