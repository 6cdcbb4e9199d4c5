"""What the code location holds, in words: for the reference page and the tests that keep it true."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One asset, check, job or schedule; `belongs_to` is its stage or its asset."""

    name: str
    belongs_to: str
    words: str


@dataclass(frozen=True)
class Catalogue:
    """Everything that a user meets in Dagster, sorted by name. dbt's own tests are left to the dbt project."""

    assets: tuple[Entry, ...]
    checks: tuple[Entry, ...]
    jobs: tuple[Entry, ...]


def first_paragraph(text: str | None) -> str:
    """First paragraph of a docstring on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def catalogue() -> Catalogue:
    """Read the definitions."""
    from pipelines.definitions import defs

    graph = defs.resolve_asset_graph()
    nodes = [(key, graph.get(key)) for key in sorted(graph.get_all_asset_keys())]
    assets = [
        Entry(key.to_user_string(), node.group_name or "", first_paragraph(node.description))
        for key, node in nodes
        if node.is_materializable
    ]
    checks = [
        Entry(key.name, key.asset_key.to_user_string(), first_paragraph(graph.get(key).description))
        for key in sorted(graph.asset_check_keys, key=lambda found: (found.asset_key.to_user_string(), found.name))
        if not key.name.startswith(("not_null_", "unique_", "accepted_values_", "relationships_", "dbt_", "assert_"))
    ]
    repository = defs.get_repository_def()
    jobs = [
        Entry(job.name, "", first_paragraph(job.description))
        for job in sorted(repository.get_all_jobs(), key=lambda found: found.name)
        if not job.name.startswith("__")
    ]
    jobs += [Entry(found.name, "", first_paragraph(found.description)) for found in repository.schedule_defs]
    return Catalogue(tuple(assets), tuple(checks), tuple(jobs))
