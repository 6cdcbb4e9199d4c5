"""Makes the previous model the champion again."""

from __future__ import annotations

from pipelines.resources import Engine
from pipelines.training.fit import tracking_of
from pipelines.training.library import Library
from pipelines.training.restoring import restored_record
from pipelines.training.serving import publish_champion


def rollback_champion(engine: Engine) -> str:
    """Swap champion and previous; returns what happened in a sentence.

    Serving processes read the earlier model at once. Scores already published stay. The next run of the newest date
    uses the earlier model; the model taken out of use is never promoted again by itself.

    Raises:
        BadInputError: there is no previous model.
    """
    from models.tracking.registry import rollback

    tracking = tracking_of(engine.settings)
    now, out = rollback(tracking, as_of=engine.now().date())
    record = restored_record(Library(engine.settings.var_dir / "models"), tracking, now)
    anchor = tracking.anchor()
    held = tracking.version(now.version)
    if record is not None and anchor is not None and held is not None:
        publish_champion(engine.settings, held=held, record=record, anchor=anchor)
    return (
        f"Version {now.version} is the champion again; version {out.version} is taken out of use and will not be "
        "promoted again by itself. Run the newest date again to score with it."
    )
