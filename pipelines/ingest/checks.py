"""Checks of the door that must not stop what follows: a file that cannot be used fails the run, the others go on."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from pipelines.ingest.assets import raw_key
from pipelines.ingest.discover import FileProblem
from pipelines.resources import Engine

_SHOWN: Final = 20


def read_problems(engine: Engine) -> list[FileProblem]:
    """Files and sources that the last ingest could not use, ordered by source."""
    with engine.warehouse.open() as connection:
        rows = connection.execute(
            "select source, object, what, place, remedy from raw.problems order by source, object, place, what"
        ).fetchall()
    return [FileProblem(*row) for row in rows]


def told(problems: list[FileProblem]) -> str:
    """One paragraph per file or source: which one, the line where known, what is wrong, and what to do."""
    if not problems:
        return ""
    grouped: dict[tuple[str, str, str], list[FileProblem]] = {}
    for problem in problems:
        grouped.setdefault((problem.source, problem.object, problem.where), []).append(problem)
    count = len(grouped)
    first = f"{count:,} {'export' if count == 1 else 'exports'} could not be used; everything else was loaded."
    paragraphs = [first, *(_paragraph(same) for same in list(grouped.values())[:_SHOWN])]
    if count > _SHOWN:
        paragraphs.append(f"... and {count - _SHOWN:,} more in raw.problems.")
    return "\n\n".join(paragraphs)


def _paragraph(same: list[FileProblem]) -> str:
    head = same[0]
    whose = f"Source {head.source}, {head.object.replace('_', ' ')}" if head.object else f"Source {head.source}"
    faults = " ".join(dict.fromkeys(problem.what for problem in same))
    remedies = " ".join(dict.fromkeys(problem.remedy for problem in same if problem.remedy))
    where = f" in {head.where}" if head.where else ""
    return f"{whose}{where}: {faults}" + (f" What to do: {remedies}" if remedies else "")


@dg.multi_asset_check(
    name="every_export_is_usable",
    specs=[
        dg.AssetCheckSpec(
            name="every_export_is_usable",
            asset=raw_key("landings"),
            description=(
                "Every declared source delivered files and each could be read. Otherwise the run fails with the file, "
                "the line and the remedy, after everything else was done with the files that could."
            ),
        )
    ],
    pool="warehouse_write",
)
def every_export_is_usable(engine: Engine) -> Iterator[dg.AssetCheckResult]:
    """Tell every file that could not be used, then fail the step without stopping the others."""
    problems = read_problems(engine)
    yield dg.AssetCheckResult(
        check_name="every_export_is_usable",
        asset_key=raw_key("landings"),
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description=told(problems) or "Every export could be used.",
        metadata={"files_refused": len(problems)},
    )
    if problems:
        raise dg.Failure(description=told(problems), allow_retries=False)


CHECKS: Final = [every_export_is_usable]
