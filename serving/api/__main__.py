"""`python -m serving.api`: the scoring API as a process of its own, which loads neither Dagster nor MLflow."""

from __future__ import annotations

import argparse
import sys

from contracts.errors import RecoveryError
from contracts.settings import Settings
from serving.api.main import serve_api


def main() -> int:
    """Serve until stopped; settings come from the environment, paths absolute."""
    parser = argparse.ArgumentParser(prog="python -m serving.api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    settings = Settings()
    settings = settings.model_copy(update={"var_dir": settings.var_dir.absolute()})
    port = settings.api_port if given.port is None else given.port
    try:
        serve_api(settings, host=given.host, port=port, workers=given.workers or settings.api_workers)
    except RecoveryError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
