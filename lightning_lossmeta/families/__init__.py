"""What can be learned: families of loss functions."""

from lightning_lossmeta.families.base import LossFamily, VectorSpace
from lightning_lossmeta.families.expression import ExpressionFamily
from lightning_lossmeta.families.expression_grammar import ExpressionSpace
from lightning_lossmeta.families.expression_loss import ExpressionLoss, ExpressionRegressionLoss
from lightning_lossmeta.families.normalised import (
    Normalisation,
    NormalisedFamily,
    NormalisedLoss,
)
from lightning_lossmeta.families.taylor import TaylorFamily, TaylorLoss

__all__ = [
    "ExpressionFamily",
    "ExpressionLoss",
    "ExpressionRegressionLoss",
    "ExpressionSpace",
    "LossFamily",
    "Normalisation",
    "NormalisedFamily",
    "NormalisedLoss",
    "TaylorFamily",
    "TaylorLoss",
    "VectorSpace",
]
