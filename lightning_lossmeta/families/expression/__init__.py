"""Symbolic losses: the family, its grammar, and what is done with expressions."""

from lightning_lossmeta.families.expression.family import ExpressionFamily
from lightning_lossmeta.families.expression.grammar import ExpressionSpace
from lightning_lossmeta.families.expression.loss import ExpressionLoss

__all__ = [
    "ExpressionFamily",
    "ExpressionLoss",
    "ExpressionSpace",
]
