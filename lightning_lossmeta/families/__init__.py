"""What can be learned: families of loss functions."""

from lightning_lossmeta.families.base import LossFamily, VectorSpace
from lightning_lossmeta.families.normalised import (
    Normalisation,
    NormalisedFamily,
    NormalisedLoss,
)
from lightning_lossmeta.families.taylor import TaylorFamily, TaylorLoss

__all__ = [
    "LossFamily",
    "Normalisation",
    "NormalisedFamily",
    "NormalisedLoss",
    "TaylorFamily",
    "TaylorLoss",
    "VectorSpace",
]
