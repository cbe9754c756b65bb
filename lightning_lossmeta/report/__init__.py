"""A run as one HTML file to look at: what was asked, what was learned, whether it helped."""

from lightning_lossmeta.report.page import MissingChartsError, check_charts, write_report
from lightning_lossmeta.report.run import NoRunError

__all__ = ["MissingChartsError", "NoRunError", "check_charts", "write_report"]
