"""Cross-entropy with more or less stress on the samples that are already learned."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.classification import (
    ClassificationLoss,
    Weight,
    at_target,
    evaluate,
)


def _focal(log_h: Tensor, target: Tensor, weight: Tensor | None, gamma: float) -> Tensor:
    return at_target(
        lambda values: -complement_power(values, gamma) * values, log_h, target, weight
    )


def _poly1(log_h: Tensor, target: Tensor, weight: Tensor | None, epsilon: float) -> Tensor:
    return at_target(lambda values: -values - epsilon * torch.expm1(values), log_h, target, weight)


def complement_power(log_p: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma of log p, whose gradient is zero, not infinite, at p = 1 and gamma < 1."""
    smallest = torch.finfo(log_p.dtype).tiny
    return (-torch.expm1(log_p)).clamp_min(smallest).pow(gamma)


def focal(
    output: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`Focal`.

    >>> import torch
    >>> focal(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.1733)
    """
    values = partial(_focal, gamma=check_interval("gamma", gamma, 0, math.inf))
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def poly1(
    output: Tensor,
    target: Tensor,
    epsilon: float = 2.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`Poly1`.

    >>> import torch
    >>> poly1(torch.zeros(1, 2), torch.tensor([0]))
    tensor(1.6931)
    """
    values = partial(_poly1, epsilon=check_interval("epsilon", epsilon, -math.inf, math.inf))
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class Focal(ClassificationLoss):
    """Focal loss: cross-entropy that weighs well-learned samples down.

    For each sample, with p the probability of the target ::

        L = -(1 - p)^gamma log p

    Args:
        gamma: At least 0; cross-entropy at 0.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``gamma`` is negative.

    Source: Lin et al. (2017), equation 4.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.gamma = check_interval("gamma", gamma, 0, math.inf)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-sum_k y_k (1 - h_k)^gamma log h_k."""
        return _focal(log_h, target, weight, self.gamma)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"gamma={self.gamma}"


class Poly1(ClassificationLoss):
    """PolyLoss-1: cross-entropy with another first coefficient of its series in 1 - p.

    For each sample, with p the probability of the target ::

        L = -log p + epsilon (1 - p)

    Args:
        epsilon: What is added to the first coefficient; the paper takes 2 for ImageNet-1K.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``epsilon`` is not finite.

    Source: Leng et al. (2022), equation 6.
    """

    def __init__(
        self,
        epsilon: float = 2.0,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.epsilon = check_interval("epsilon", epsilon, -math.inf, math.inf)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k y_k [-log h_k + epsilon (1 - h_k)]."""
        return _poly1(log_h, target, weight, self.epsilon)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"epsilon={self.epsilon}"
