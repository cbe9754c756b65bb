"""What can be learned: families of loss functions."""

from lightning_lossmeta.families.base import LossFamily, VectorSpace
from lightning_lossmeta.families.expression import ExpressionFamily
from lightning_lossmeta.families.expression_grammar import ExpressionSpace
from lightning_lossmeta.families.expression_loss import ExpressionLoss, ExpressionRegressionLoss
from lightning_lossmeta.families.expression_timed import (
    TimedExpressionLoss,
    TimedExpressionRegressionLoss,
)
from lightning_lossmeta.families.network import NetworkFamily, NetworkSpace
from lightning_lossmeta.families.network_loss import NetworkLoss, NetworkRegressionLoss
from lightning_lossmeta.families.normalised import (
    Normalisation,
    NormalisedFamily,
    NormalisedLoss,
)
from lightning_lossmeta.families.taylor import TaylorFamily
from lightning_lossmeta.families.taylor_loss import TaylorLoss, TaylorRegressionLoss

__all__ = [
    "ExpressionFamily",
    "ExpressionLoss",
    "ExpressionRegressionLoss",
    "ExpressionSpace",
    "LossFamily",
    "NetworkFamily",
    "NetworkLoss",
    "NetworkRegressionLoss",
    "NetworkSpace",
    "Normalisation",
    "NormalisedFamily",
    "NormalisedLoss",
    "TaylorFamily",
    "TaylorLoss",
    "TaylorRegressionLoss",
    "TimedExpressionLoss",
    "TimedExpressionRegressionLoss",
    "VectorSpace",
]
