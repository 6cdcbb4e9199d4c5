"""Which version is champion, without importing MLflow where its store is a SQLite file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

MODEL_NAME: Final = "resurrection"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def champion_version(tracking_uri: str) -> str | None:
    """Version that the alias `champion` names, or None.

    A SQLite store is read directly (MLflow takes a second to import); any other store is asked through MLflow.
    """
    prefix = "sqlite:///"
    if not tracking_uri.startswith(prefix):
        from models.tracking.store import Tracking

        held = Tracking(tracking_uri, artifacts=None).alias(CHAMPION)
        return held.version if held else None
    path = Path(tracking_uri.removeprefix(prefix))
    if not path.exists():
        return None
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = connection.execute(
            "select version from registered_model_aliases where name = ? and alias = ?", (MODEL_NAME, CHAMPION)
        ).fetchone()
    except sqlite3.OperationalError:
        return None  # a store whose tables do not exist yet has no champion
    finally:
        connection.close()
    return str(row[0]) if row else None
