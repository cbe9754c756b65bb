"""Symbolic losses: the family, its grammar, and what is done with expressions."""

from lightning_lossmeta.families.expression.family import ExpressionFamily
from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.families.expression.space import ExpressionSpace

__all__ = [
    "ExpressionFamily",
    "ExpressionLoss",
    "ExpressionSpace",
]
