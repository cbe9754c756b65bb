"""Honest comparisons of losses."""

from lightning_lossmeta.comparison.cells import CellStore
from lightning_lossmeta.comparison.compare import Comparison, check_contenders, compare_losses
from lightning_lossmeta.comparison.contenders import Contender
from lightning_lossmeta.comparison.fixed import NamedLosses
from lightning_lossmeta.comparison.pooling import best_searches, pooled
from lightning_lossmeta.comparison.report import Report
from lightning_lossmeta.comparison.rows import Row, with_p_values

__all__ = [
    "CellStore",
    "Comparison",
    "Contender",
    "NamedLosses",
    "Report",
    "Row",
    "best_searches",
    "check_contenders",
    "compare_losses",
    "pooled",
    "with_p_values",
]
