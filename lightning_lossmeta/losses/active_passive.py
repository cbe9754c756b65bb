"""Normalised cross-entropy, and its sums with a loss that pushes the other classes down."""

from __future__ import annotations

import math
from functools import partial

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
from lightning_lossmeta.losses.distance import absolute_error
from lightning_lossmeta.losses.symmetric import reverse_cross_entropy


def normalized_log_ratio(log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Sum_k y_k log h_k / sum_k log h_k of each sample, weighted: the active part of many losses.

    Args:
        log_h: Log-probabilities ``(B, n, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.
        weight: One number a class.

    Returns:
        ``(B, ...)``.
    """
    ratio = at_target(Tensor.positive, log_h, target, None) / log_h.sum(dim=1)
    return times_weight(ratio, target, weight)


def _nce_and_rce(
    log_h: Tensor, target: Tensor, weight: Tensor | None, alpha: float, beta: float, log_zero: float
) -> Tensor:
    active = normalized_log_ratio(log_h, target, weight)
    return alpha * active + beta * reverse_cross_entropy(log_h, target, weight, log_zero)


def _nce_and_mae(
    log_h: Tensor, target: Tensor, weight: Tensor | None, alpha: float, beta: float
) -> Tensor:
    active = normalized_log_ratio(log_h, target, weight)
    return alpha * active + beta * absolute_error(log_h.exp(), target, weight)


def normalized_cross_entropy(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`NormalizedCrossEntropy`.

    >>> import torch
    >>> normalized_cross_entropy(torch.zeros(1, 4), torch.tensor([0]))
    tensor(0.2500)
    """
    return evaluate(
        normalized_log_ratio, output, target, weight, ignore_index, reduction, validate_args
    )


def nce_and_rce(
    output: Tensor,
    target: Tensor,
    alpha: float = 1.0,
    beta: float = 1.0,
    log_zero: float = -4.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`NCEAndRCE`.

    >>> import torch
    >>> nce_and_rce(torch.zeros(1, 4), torch.tensor([0]))
    tensor(3.2500)
    """
    values = partial(
        _nce_and_rce,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
        log_zero=check_interval("log_zero", log_zero, -math.inf, 0, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def nce_and_mae(
    output: Tensor,
    target: Tensor,
    alpha: float = 1.0,
    beta: float = 1.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`NCEAndMAE`.

    >>> import torch
    >>> nce_and_mae(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.7500)
    """
    values = partial(
        _nce_and_mae,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class NormalizedCrossEntropy(ClassificationLoss):
    """Cross-entropy divided by its sum over all classes as the target.

    For each sample ::

        L = sum_k y_k log h_k / sum_k log h_k

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Source: Ma et al. (2020), equation 7.
    """

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k y_k log h_k / sum_k log h_k."""
        return normalized_log_ratio(log_h, target, weight)


class NCEAndRCE(ClassificationLoss):
    """Active-passive loss of normalised and reverse cross-entropy.

    For each sample, with A in the place of log 0 and p the probability of the target ::

        L = alpha log p / sum_k log h_k - beta A (1 - p)

    A is -4 as in :class:`~lightning_lossmeta.losses.SymmetricCrossEntropy`; the code of Ma et al.
    clips y at 1e-4, which is A = -9.21.

    Args:
        alpha: Factor of the active part, at least 0.
        beta: Factor of the passive part, at least 0.
        log_zero: A, negative.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Ma et al. (2020), section 3.
    """

    def __init__(
        self,
        alpha: float = 1.0,
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
        """Alpha log p / sum_k log h_k - beta A (1 - p)."""
        return _nce_and_rce(log_h, target, weight, self.alpha, self.beta, self.log_zero)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}, log_zero={self.log_zero}"


class NCEAndMAE(ClassificationLoss):
    """Active-passive loss of normalised cross-entropy and mean absolute error.

    For each sample, with p the probability of the target ::

        L = alpha log p / sum_k log h_k + beta sum_k |h_k - y_k|

    The second part is 2 (1 - p) for a class index; the code of Ma et al. leaves out the 2.

    Args:
        alpha: Factor of the active part, at least 0.
        beta: Factor of the passive part, at least 0.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Ma et al. (2020), section 3.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.alpha = check_interval("alpha", alpha, 0, math.inf)
        self.beta = check_interval("beta", beta, 0, math.inf)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Alpha log p / sum_k log h_k + beta sum_k |h_k - y_k|."""
        return _nce_and_mae(log_h, target, weight, self.alpha, self.beta)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}"
