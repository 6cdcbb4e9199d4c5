"""Raw tables: what the sources delivered, typed and judged. One step per kind of source, so that each fails alone."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts.words import Crm
from pipelines.failures import readable
from pipelines.ingest.aliases import AliasTable, ObjectSpec, alias_table
from pipelines.ingest.books import Books, refresh_books, table_counts
from pipelines.ingest.evaluate import Finding, Limits
from pipelines.ingest.findings import FINDINGS
from pipelines.ingest.run import IngestReport, declared_sources, ingest, options_of
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine

GROUP: Final = "ingest"
OWNERS: Final = ["team:data"]
POOL: Final = "warehouse_write"
_NAMES: Final = {
    Crm.HUBSPOT: "HubSpot",
    Crm.SALESFORCE: "Salesforce",
    Crm.GOHIGHLEVEL: "GoHighLevel",
    Crm.MAPPED_CSV: "mapped file",
}


def raw_key(table: str) -> dg.AssetKey:
    """Key of a raw table."""
    return dg.AssetKey(["raw", table])


def _description(crm: Crm, name: str, spec: ObjectSpec) -> str:
    words = name.replace("_", " ")
    return (
        f"One row per row of a {_NAMES[crm]} export of {words} that was accepted, of every landing that counts.\n\n"
        f"Written to raw.{spec.table}. A rerun loads only what is new and gives the same rows. Without an export the "
        "table exists and is empty; a file that cannot be used is told by the check every_export_is_usable, and the "
        "others load."
    )


def _specs(table: AliasTable) -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            key=raw_key(spec.table),
            description=_description(table.crm, name, spec),
            group_name=GROUP,
            owners=OWNERS,
            kinds={"duckdb", "csv"},
            tags={"crm": table.crm.value, "layer": "raw"},
            metadata={"alias_version": table.version, "unverified_headers": list(spec.unverified)},
        )
        for name, spec in table.objects.items()
    ]


def _source_assets(crm: Crm) -> dg.AssetsDefinition:
    table = alias_table(crm)

    @dg.multi_asset(
        name=f"raw_{crm.value}",
        specs=_specs(table),
        partitions_def=daily,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    @readable
    def raw_tables(context: dg.AssetExecutionContext, engine: Engine) -> Iterator[dg.MaterializeResult[Any]]:
        sources = declared_sources(engine.settings)
        report = ingest(engine.warehouse.open, sources, crm, options=options_of(engine.settings), now=engine.now())
        with engine.warehouse.open() as connection:
            counts = table_counts(connection, crm)
        for problem in report.problems:
            context.log.warning(f"{problem.what} [{problem.where}] {problem.remedy}")
        common = _metadata(report) | {"as_of_date": as_of_date(context).isoformat()}
        for spec in table.objects.values():
            yield dg.MaterializeResult(
                asset_key=raw_key(spec.table), metadata={"dagster/row_count": counts[spec.table], **common}
            )

    return raw_tables


def _metadata(report: IngestReport) -> dict[str, Any]:
    return {
        "files_found": report.files,
        "files_landed_now": len(report.landed),
        "landings_loaded_now": len(report.loaded),
        "files_refused": len(report.problems),
        "files_of_no_object": len(report.unmatched),
    }


_BOOKS: Final = {
    "landings": (
        "One row per landed file that counts: what it is, how it was read, and rows in = loaded + rejected.\n\n"
        "Written with the rows of each file in one transaction. A rerun changes nothing; without exports it is empty."
    ),
    "rejects": (
        "One row per rejected row of a file: row number, column and reason, never a value.\n\n"
        "Written with the file's landing. A rerun changes nothing; a file without bad rows adds none."
    ),
    "field_issues": (
        "One row per field that could not be read and was set to null while its row was kept.\n\n"
        "Written with the file's landing. A rerun changes nothing; an unreadable permission counts as refused."
    ),
    "sources": (
        "One row per declared source: what it is and what the operator declares about its people.\n\n"
        "Written from sources.yml whenever a declaration or a landing changed; a rerun gives the same rows."
    ),
    "coverage": (
        "One row per source, object and column: rows of the newest export and how many have the field filled.\n\n"
        "Written whenever a landing changed; a rerun gives the same rows. A source without exports has none."
    ),
}


def _book_specs() -> list[dg.AssetSpec]:
    upstream = [raw_key(spec.table) for crm in Crm for spec in alias_table(crm).objects.values()]
    return [
        dg.AssetSpec(
            key=raw_key(name),
            deps=upstream,
            description=words,
            group_name=GROUP,
            owners=OWNERS,
            kinds={"duckdb", "greatexpectations"} if name == "landings" else {"duckdb"},
            tags={"layer": "raw"},
        )
        for name, words in _BOOKS.items()
    ]


def limits_of(engine: Engine) -> Limits:
    """What the checks of the door compare with in an installation."""
    settings = engine.settings
    return Limits(
        label_window_days=settings.dormant_after_days + settings.horizon_days + settings.label_lag_days,
        max_reject_share=settings.max_reject_share,
    )


@dg.multi_asset(
    name="raw_books",
    specs=_book_specs(),
    check_specs=[
        dg.AssetCheckSpec(name=name, asset=raw_key(table), blocking=is_blocking, description=words)
        for name, (table, is_blocking, words) in FINDINGS.items()
    ],
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    pool=POOL,
)
@readable
def raw_books(
    context: dg.AssetExecutionContext, engine: Engine
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Count, describe and check what landed."""
    sources = declared_sources(engine.settings)
    with engine.warehouse.open() as connection:
        connection.execute("set preserve_insertion_order = true")
        books = refresh_books(connection, sources, limits=limits_of(engine), sender_id=engine.settings.sender_id)
    common = {"as_of_date": as_of_date(context).isoformat(), **_book_metadata(books)}
    counts = {
        "landings": books.landings,
        "rejects": books.reject_rows,
        "field_issues": books.field_issues,
        "sources": books.sources,
        "coverage": books.coverage_rows,
    }
    for name, count in counts.items():
        yield dg.MaterializeResult(asset_key=raw_key(name), metadata={"dagster/row_count": count, **common})
    for finding in books.findings:
        yield check_result(finding)


def _book_metadata(books: Books) -> dict[str, Any]:
    share = books.rows_rejected / books.rows_in if books.rows_in else 0.0
    return {"rows_in": books.rows_in, "rows_rejected": books.rows_rejected, "share_rejected": round(share, 6)}


def check_result(finding: Finding) -> dg.AssetCheckResult:
    """Dagster's form of a finding."""
    return dg.AssetCheckResult(
        check_name=finding.name,
        asset_key=raw_key(finding.table),
        passed=finding.is_true,
        severity=dg.AssetCheckSeverity.ERROR if finding.is_blocking else dg.AssetCheckSeverity.WARN,
        description=finding.words,
        metadata=dict(finding.numbers.items()),
    )


ASSETS: Final[list[dg.AssetsDefinition]] = [*(_source_assets(crm) for crm in Crm), raw_books]
