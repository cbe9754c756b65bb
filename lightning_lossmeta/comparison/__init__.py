"""Honest comparisons of losses."""

from lightning_lossmeta.comparison.compare import Comparison, Row, compare_losses
from lightning_lossmeta.comparison.fixed import NamedLosses
from lightning_lossmeta.comparison.report import markdown, table, write_files

__all__ = [
    "Comparison",
    "NamedLosses",
    "Row",
    "compare_losses",
    "markdown",
    "table",
    "write_files",
]
