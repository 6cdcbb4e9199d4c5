"""One page in MLflow for every decision about the model in use, with the numbers it rests on."""

from __future__ import annotations

from collections.abc import Mapping

from models.tracking.store import Tracking

PART = "decision"


def keep_decision(
    tracking: Tracking,
    *,
    fingerprint: str,
    name: str,
    note: str,
    figures: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """Write the page of a decision once; returns its run.

    Args:
        tracking: the store.
        fingerprint: of what was decided from; the same one finds the page that is there.
        name: shown in lists.
        note: Markdown at the top of the page.
        figures: numbers of the decision.
        tags: as-of date, verdict, versions.
    """
    client, experiment = tracking.client, tracking.experiment_id
    told = f"tags.decided_from = '{fingerprint}' and tags.part = '{PART}'"
    for run in client.search_runs([experiment], told, max_results=5):
        if run.info.status == "FINISHED":
            return str(run.info.run_id)
        client.delete_run(run.info.run_id)
    run = client.create_run(
        experiment,
        run_name=name,
        tags={**tags, "part": PART, "decided_from": fingerprint, "mlflow.note.content": note},
    )
    for key, value in sorted(figures.items()):
        client.log_metric(run.info.run_id, key, value, step=0)
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)
