"""Label smoothing that touches the target class alone."""

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
from lightning_lossmeta.losses.focal import complement_power


def _sparse_label_smoothing(
    log_h: Tensor, target: Tensor, weight: Tensor | None, xi: float, eps: float
) -> Tensor:
    others = log_h.shape[1] - 1
    share = xi * others / (others + 1)  # xi (n - 1) / n

    def at_class(log_p: Tensor) -> Tensor:
        return (share - 1) * log_p - share * _log_of_others(log_p, eps, others)

    return at_target(at_class, log_h, target, weight)


def _focal_sparse_label_smoothing(
    log_h: Tensor, target: Tensor, weight: Tensor | None, xi: float, gamma: float, eps: float
) -> Tensor:
    others = log_h.shape[1] - 1
    share = xi * others / (others + 1)

    def at_class(log_p: Tensor) -> Tensor:
        pull = complement_power(log_p, gamma) * (share - 1) * log_p
        return pull - (gamma * log_p).exp() * share * _log_of_others(log_p, eps, others)

    return at_target(at_class, log_h, target, weight)


def _log_of_others(log_p: Tensor, eps: float, others: int) -> Tensor:
    """log((1 - p + eps) / (n - 1))."""
    return (eps - torch.expm1(log_p)).log() - math.log(others)


def sparse_label_smoothing(
    output: Tensor,
    target: Tensor,
    xi: float = 0.1,
    eps: float = 1e-7,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`SparseLabelSmoothing`.

    >>> import torch
    >>> sparse_label_smoothing(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.6931)
    """
    values = partial(
        _sparse_label_smoothing,
        xi=check_interval("xi", xi, 0, 1),
        eps=check_interval("eps", eps, 0, 1, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def focal_sparse_label_smoothing(
    output: Tensor,
    target: Tensor,
    xi: float = 0.1,
    gamma: float = 2.0,
    eps: float = 1e-7,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`FocalSparseLabelSmoothing`.

    >>> import torch
    >>> focal_sparse_label_smoothing(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.1733)
    """
    values = partial(
        _focal_sparse_label_smoothing,
        xi=check_interval("xi", xi, 0, 1),
        gamma=check_interval("gamma", gamma, 0, math.inf),
        eps=check_interval("eps", eps, 0, 1, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class SparseLabelSmoothing(ClassificationLoss):
    """SparseLSR: label smoothing as if all other classes had one probability.

    For each sample, with p the probability of the target ::

        L = -(1 - xi + xi/n) log p - xi (n - 1)/n log((1 - p + eps)/(n - 1))

    Given log-probabilities (:meth:`from_log_probabilities`), its time does not grow with n, but
    for the zeros of the gradient.

    Args:
        xi: How much of the target is spread over all classes, 0 to 1.
        eps: Keeps the logarithm finite, between 0 and 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Raymond et al. (2024), equation 49.
    """

    def __init__(
        self,
        xi: float = 0.1,
        eps: float = 1e-7,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.xi = check_interval("xi", xi, 0, 1)
        self.eps = check_interval("eps", eps, 0, 1, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-(1 - xi + xi/n) log p - xi (n - 1)/n log((1 - p + eps)/(n - 1))."""
        return _sparse_label_smoothing(log_h, target, weight, self.xi, self.eps)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"xi={self.xi}, eps={self.eps}"


class FocalSparseLabelSmoothing(ClassificationLoss):
    """Focal loss with sparse label smoothing.

    For each sample, with p the probability of the target ::

        L = -(1 - p)^gamma (1 - xi + xi/n) log p
            - p^gamma xi (n - 1)/n log((1 - p + eps)/(n - 1))

    Args:
        xi: How much of the target is spread over all classes, 0 to 1.
        gamma: Focus, at least 0.
        eps: Keeps the logarithm finite, between 0 and 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Raymond et al. (2024), section A.12.
    """

    def __init__(
        self,
        xi: float = 0.1,
        gamma: float = 2.0,
        eps: float = 1e-7,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.xi = check_interval("xi", xi, 0, 1)
        self.gamma = check_interval("gamma", gamma, 0, math.inf)
        self.eps = check_interval("eps", eps, 0, 1, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The formula above: (1 - p)^gamma weighs the target, p^gamma the other classes."""
        return _focal_sparse_label_smoothing(log_h, target, weight, self.xi, self.gamma, self.eps)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"xi={self.xi}, gamma={self.gamma}, eps={self.eps}"
