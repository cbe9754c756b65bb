"""Honest comparisons of losses."""

from lightning_lossmeta.comparison.compare import ComparisonConfig, check_methods, compare_losses
from lightning_lossmeta.comparison.methods import Method
from lightning_lossmeta.comparison.named_losses import NamedLosses
from lightning_lossmeta.comparison.pooling import best_searches, pooled
from lightning_lossmeta.comparison.report import Report
from lightning_lossmeta.comparison.rows import Row, with_p_values
from lightning_lossmeta.comparison.runs import RunStore

__all__ = [
    "ComparisonConfig",
    "Method",
    "NamedLosses",
    "Report",
    "Row",
    "RunStore",
    "best_searches",
    "check_methods",
    "compare_losses",
    "pooled",
    "with_p_values",
]
