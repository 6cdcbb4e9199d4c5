"""Permission that arrives from outside, on its way into the ledger."""

from datetime import UTC
from typing import Any, Final

import dagster as dg

from pipelines.campaigns.inputs import open_day_ledger
from pipelines.campaigns.permission_import import import_permissions
from pipelines.failures import readable
from pipelines.partitions import ONE_RUN_PER_DAY, as_of_date, daily
from pipelines.resources import Engine
from recovery.addresses import load_address_key

IMPORTED: Final = dg.AssetKey(["campaigns", "imported_permissions"])


@dg.asset(
    key=IMPORTED,
    partitions_def=daily,
    backfill_policy=ONE_RUN_PER_DAY,
    group_name="campaigns",
    owners=["team:data"],
    kinds={"python", "sql"},
    tags={"stage": "campaigns"},
    deps=[
        dg.AssetKey(["intermediate", "int_permissions__facts"]),
        dg.AssetKey(["intermediate", "int_permissions__late"]),
        dg.AssetKey(["intermediate", "int_record_versions"]),
        dg.AssetKey(["intermediate", "person_links"]),
    ],
    pool="warehouse_write",
)
@readable
def imported_permissions(context: dg.AssetExecutionContext, engine: Engine) -> dg.MaterializeResult[Any]:
    """Opt-outs, consents and declarations of exports, lists and the operator, and merges of people.

    One row is one statement about an address or person. Written to the ledger, where it stops touches that were
    approved before; addresses are kept as keyed hashes. A rerun adds nothing, an import never lifts a refusal, and
    without permission data nothing is written.
    """
    settings = engine.settings
    with open_day_ledger(settings) as ledger:
        report = import_permissions(
            engine.warehouse,
            ledger,
            load_address_key(settings.secrets_dir),
            sender_id=settings.sender_id,
            now=engine.now().astimezone(UTC).replace(tzinfo=None),
        )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report.statements,
            "as_of_date": as_of_date(context).isoformat(),
            "new_refusals": report.suppressions,
            "new_statements": report.events,
            "new_merges": report.merges,
        }
    )


ASSETS: Final = [imported_permissions]
