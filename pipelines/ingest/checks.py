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
    """One line per problem: what, where, remedy."""
    lines = [f"{problem.what} [{problem.where}] {problem.remedy}".strip() for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"... and {len(problems) - _SHOWN:,} more in raw.problems.")
    return "\n".join(lines)


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
