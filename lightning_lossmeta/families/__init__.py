"""What can be learned: families of loss functions."""

from lightning_lossmeta.families.base import LossFamily, VectorSpace
from lightning_lossmeta.families.expression.family import ExpressionFamily
from lightning_lossmeta.families.expression.grammar import ExpressionSpace
from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.families.network import NetworkFamily, NetworkSpace
from lightning_lossmeta.families.network_loss import NetworkLoss
from lightning_lossmeta.families.normalised import (
    Normalisation,
    NormalisedFamily,
    NormalisedLoss,
)
from lightning_lossmeta.families.taylor import TaylorFamily
from lightning_lossmeta.families.taylor_loss import TaylorLoss

__all__ = [
    "ExpressionFamily",
    "ExpressionLoss",
    "ExpressionSpace",
    "LossFamily",
    "NetworkFamily",
    "NetworkLoss",
    "NetworkSpace",
    "Normalisation",
    "NormalisedFamily",
    "NormalisedLoss",
    "TaylorFamily",
    "TaylorLoss",
    "VectorSpace",
]
