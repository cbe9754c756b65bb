"""Honest comparisons of losses."""

from lightning_lossmeta.comparison.attack import AttackConfig, AttackedLoss, attack_losses
from lightning_lossmeta.comparison.attack_report import AttackReport
from lightning_lossmeta.comparison.compare import ComparisonConfig, check_methods, compare_losses
from lightning_lossmeta.comparison.landscapes import (
    LandscapeConfig,
    NetworkLandscape,
    network_landscapes,
)
from lightning_lossmeta.comparison.methods import Method
from lightning_lossmeta.comparison.named_losses import NamedLosses
from lightning_lossmeta.comparison.pooling import best_searches, pooled
from lightning_lossmeta.comparison.report import Report
from lightning_lossmeta.comparison.rows import (
    ComparisonError,
    Row,
    refuse_if_all_failed,
    with_p_values,
)
from lightning_lossmeta.comparison.runs import RunStore
from lightning_lossmeta.comparison.verdict import verdict

__all__ = [
    "AttackConfig",
    "AttackReport",
    "AttackedLoss",
    "ComparisonConfig",
    "ComparisonError",
    "LandscapeConfig",
    "Method",
    "NamedLosses",
    "NetworkLandscape",
    "Report",
    "Row",
    "RunStore",
    "attack_losses",
    "best_searches",
    "check_methods",
    "compare_losses",
    "network_landscapes",
    "pooled",
    "refuse_if_all_failed",
    "verdict",
    "with_p_values",
]
