"""The day as Dagster assets, one folder per stage, in the order the data flows."""

from contracts.heap import collect_rarely
from contracts.offline import silence

silence()
collect_rarely()
