"""The synthetic CRM world with known truth: demo, test bench and yardstick of later claims."""

from simulation.settings import WorldSettings
from simulation.treatments import RespondReport, respond
from simulation.world import ExportReport, optima, write_exports

__all__ = ["ExportReport", "RespondReport", "WorldSettings", "optima", "respond", "write_exports"]
