"""The day as Dagster assets, one folder per stage, in the order the data flows."""

from contracts.offline import silence

silence()
