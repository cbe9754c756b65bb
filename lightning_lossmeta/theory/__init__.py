"""What a loss does to a network, in numbers."""

from lightning_lossmeta.theory.attraction import (
    attraction,
    attraction_curve,
    attraction_strength,
)
from lightning_lossmeta.theory.learning_rule import learning_rule, logit_step
from lightning_lossmeta.theory.taylor import (
    ALLCNNC_CIFAR10,
    TaylorCoefficients,
    implicit_label_smoothing,
    taylor_coefficients,
    taylor_parameters,
    zero_error_rule,
)
from lightning_lossmeta.theory.trainability import null_epoch_rule, trainable
from lightning_lossmeta.theory.turning import pull_to_push

__all__ = [
    "ALLCNNC_CIFAR10",
    "TaylorCoefficients",
    "attraction",
    "attraction_curve",
    "attraction_strength",
    "implicit_label_smoothing",
    "learning_rule",
    "logit_step",
    "null_epoch_rule",
    "pull_to_push",
    "taylor_coefficients",
    "taylor_parameters",
    "trainable",
    "zero_error_rule",
]
