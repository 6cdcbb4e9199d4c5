"""Makes the previous model the champion again."""

from __future__ import annotations

from pipelines.resources import Engine
from pipelines.training.fit import tracking_of


def rollback_champion(engine: Engine) -> str:
    """Swap champion and previous; returns what happened in a sentence.

    Scores already published stay. The next run of the newest date uses the earlier model; the model taken out of
    use is never promoted again by itself.

    Raises:
        BadInputError: there is no previous model.
    """
    from models.tracking.registry import rollback

    now, out = rollback(tracking_of(engine.settings), as_of=engine.now().date())
    return (
        f"Version {now.version} is the champion again; version {out.version} is taken out of use and will not be "
        "promoted again by itself. Run the newest date again to score with it."
    )
