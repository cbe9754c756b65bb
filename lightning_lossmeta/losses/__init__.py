"""Hand-made losses and the contract that all losses keep."""

from lightning_lossmeta.losses.base import LossFunction, Reduction, soft_target
from lightning_lossmeta.losses.cross_entropy import CrossEntropy
from lightning_lossmeta.losses.distance import MeanSquaredError

__all__ = ["CrossEntropy", "LossFunction", "MeanSquaredError", "Reduction", "soft_target"]
