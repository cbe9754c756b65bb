"""Bounded losses that also learn at the start, from a bonus on the target's logit."""

from __future__ import annotations

import math

from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.classification import ClassificationLoss, Weight, evaluate
from lightning_lossmeta.losses.distance import MeanAbsoluteError
from lightning_lossmeta.losses.links import soft_target


def logit_bias(
    output: Tensor,
    target: Tensor,
    loss: ClassificationLoss | None = None,
    epsilon: float | None = None,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`LogitBias`.

    >>> import torch
    >>> logit_bias(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.)
    """
    module = LogitBias(loss, epsilon)
    return evaluate(module.values, output, target, weight, ignore_index, reduction, validate_args)


class LogitBias(ClassificationLoss):
    """A bounded loss of logits with a bonus at the target, so that an untrained network learns.

    For each sample, with g another loss, z the logits and y the target ::

        L = g(softmax(z + epsilon y), y)

    A network that knows nothing gives the target 1/n, where the gradient of the mean absolute error
    is near zero if there are many classes; with the bonus it gives (e^epsilon) / (e^epsilon + n -
    1). Predictions are made without it.

    Args:
        loss: g, a loss of logits without class weights, ``ignore_index`` or reduction of its own;
            the mean absolute error by default.
        epsilon: The bonus. log(n - 1) by default, with which the target of an untrained network has
            1/2, where the mean absolute error is steepest; the paper too chooses it by the number
            of classes alone.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        TypeError: If ``loss`` is none of the package's losses of classes.
        ValueError: If ``epsilon`` is not finite, or ``loss`` has settings that belong to this one.

    Source: Staats et al. (2025), arXiv 2306.05497.
    """

    def __init__(
        self,
        loss: ClassificationLoss | None = None,
        epsilon: float | None = None,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.loss = _plain(MeanAbsoluteError() if loss is None else loss)
        self.epsilon = epsilon
        if epsilon is not None:
            check_interval("epsilon", epsilon, -math.inf, math.inf)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """G at softmax(log h + epsilon y), which is that of z + epsilon y."""
        epsilon = math.log(log_h.shape[1] - 1) if self.epsilon is None else self.epsilon
        biased = log_h + epsilon * soft_target(log_h, target)
        return self.loss.values(biased.log_softmax(dim=1), target, weight)

    def extra_repr(self) -> str:
        """The bonus, for ``print``."""
        return "" if self.epsilon is None else f"epsilon={self.epsilon}"


def _plain(loss: ClassificationLoss) -> ClassificationLoss:
    """The loss, if it is one whose values can be asked for, and has no settings but its own."""
    if not isinstance(loss, ClassificationLoss):
        raise TypeError(
            "Expected argument `loss` to be a hand-made loss of classes, such as "
            f"MeanAbsoluteError(), got {type(loss).__name__}."
        )
    if loss.weight is not None or loss.ignore_index != -100 or loss.reduction != "mean":
        raise ValueError(
            f"Expected argument `loss` without `weight`, `ignore_index` and `reduction`, got "
            f"{type(loss).__name__} with one of them. Give them to LogitBias."
        )
    return loss
