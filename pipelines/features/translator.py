"""How dbt nodes appear in Dagster: key [schema, table], one group, owned, described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject

GROUP = "features"


class FeatureTranslator(DagsterDbtTranslator):
    """Keys are schema and table of the warehouse; a source names its asset in `meta.dagster.asset_key`."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Schema and table, or the asset that a source names."""
        if dbt_resource_props["resource_type"] == "model":
            return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:  # noqa: ARG002 - fixed name
        """The stage."""
        return GROUP

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002 - fixed name
        """Everyone who keeps the data."""
        return ["team:data"]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Stage and layer."""
        return {"stage": GROUP, "layer": str(dbt_resource_props.get("schema", "raw"))}

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The model's own words, and what every model has in common."""
        words = str(dbt_resource_props.get("description") or "")
        return (
            f"{words} Written to the warehouse by dbt; a rerun of the partition writes the same rows; "
            "without input the table is empty."
        ).strip()

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """The test, described by its own words or else by its name."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        words = str(manifest["nodes"][unique_id].get("description") or "") or _sentence(spec.name)
        return spec._replace(description=words)


def _sentence(name: str) -> str:
    words = name.removeprefix("assert_").replace("__", " ").replace("_", " ")
    return f"{words[0].upper()}{words[1:]}."


TRANSLATOR = FeatureTranslator()
