"""Cross-entropy in both directions."""

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
    times_weight,
)


def _symmetric_cross_entropy(
    log_h: Tensor, target: Tensor, weight: Tensor | None, alpha: float, beta: float, log_zero: float
) -> Tensor:
    forward = at_target(Tensor.neg, log_h, target, weight)
    return alpha * forward + beta * reverse_cross_entropy(log_h, target, weight, log_zero)


def reverse_cross_entropy(
    log_h: Tensor, target: Tensor, weight: Tensor | None, log_zero: float
) -> Tensor:
    """-sum_k h_k log y_k, where no log y_k is less than ``log_zero``.

    Args:
        log_h: Log-probabilities ``(B, n, ...)``.
        target: Class indices ``(B, ...)``, for which it is -log_zero (1 - p), or probabilities.
        weight: One number a class.
        log_zero: The number that stands for log 0.

    Returns:
        ``(B, ...)``.
    """
    if target.is_floating_point():
        losses = -(log_h.exp() * target.log().clamp_min(log_zero)).sum(dim=1)
        return times_weight(losses, target, weight)
    return at_target(lambda values: log_zero * torch.expm1(values), log_h, target, weight)


def symmetric_cross_entropy(
    output: Tensor,
    target: Tensor,
    alpha: float = 0.1,
    beta: float = 1.0,
    log_zero: float = -4.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`SymmetricCrossEntropy`.

    >>> import torch
    >>> symmetric_cross_entropy(torch.zeros(1, 4), torch.tensor([0]))
    tensor(3.1386)
    """
    values = partial(
        _symmetric_cross_entropy,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
        log_zero=check_interval("log_zero", log_zero, -math.inf, 0, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class SymmetricCrossEntropy(ClassificationLoss):
    """Cross-entropy plus reverse cross-entropy.

    For each sample, with A in the place of log 0 and p the probability of the target ::

        L = -alpha log p - beta A (1 - p)

    With soft targets, the second part is -beta sum_k h_k max(log y_k, A).

    Args:
        alpha: Factor of the cross-entropy, at least 0.
        beta: Factor of the reverse cross-entropy, at least 0.
        log_zero: A, negative.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Wang et al. (2019).
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 1.0,
        log_zero: float = -4.0,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.alpha = check_interval("alpha", alpha, 0, math.inf)
        self.beta = check_interval("beta", beta, 0, math.inf)
        self.log_zero = check_interval("log_zero", log_zero, -math.inf, 0, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-alpha log p - beta A (1 - p)."""
        return _symmetric_cross_entropy(log_h, target, weight, self.alpha, self.beta, self.log_zero)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}, log_zero={self.log_zero}"
