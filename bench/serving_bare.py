"""What the API is measured beside: `python -m bench.serving_bare empty|plain --port N [--model FILE]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Row(BaseModel):
    """Finished features of one lead."""

    features: dict[str, float | None]


def empty_app() -> FastAPI:
    """A route that does nothing."""
    app = FastAPI()

    @app.post("/score")
    async def score() -> dict[str, str]:
        return {}

    return app


def plain_app(model: Path) -> FastAPI:
    """A scikit-learn model behind a route, as a tutorial writes it: finished features in, a chance out."""
    app, fitted = FastAPI(), joblib.load(model)

    @app.post("/score")
    def score(row: Row) -> dict[str, Any]:
        frame = pd.DataFrame([row.features], dtype=float)
        return {"p": float(fitted.predict_proba(frame)[0, 1])}

    return app


def main() -> int:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app", choices=["empty", "plain"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    app = empty_app() if given.app == "empty" else plain_app(given.model)
    uvicorn.run(app, port=given.port, log_level="error", access_log=False, backlog=4_096)
    return 0


if __name__ == "__main__":
    sys.exit(main())
