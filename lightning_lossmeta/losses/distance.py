"""Distances between the probabilities and the target."""

from __future__ import annotations

from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.classification import ClassificationLoss, evaluate, times_weight
from lightning_lossmeta.losses.links import soft_target


def _squared(h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    return times_weight((h - soft_target(h, target)).square().mean(dim=1), target, weight)


def absolute_error(h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Sum_k |h_k - y_k| of each sample, weighted.

    Args:
        h: Probabilities ``(B, n, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.
        weight: One number a class.

    Returns:
        ``(B, ...)``.
    """
    return times_weight((h - soft_target(h, target)).abs().sum(dim=1), target, weight)


def _squared_of_log(log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    return _squared(log_h.exp(), target, weight)


def _absolute_of_log(log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    return absolute_error(log_h.exp(), target, weight)


def mean_squared_error(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`MeanSquaredError`.

    >>> import torch
    >>> mean_squared_error(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.2500)
    """
    return evaluate(_squared_of_log, output, target, weight, ignore_index, reduction, validate_args)


def mean_absolute_error(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`MeanAbsoluteError`.

    >>> import torch
    >>> mean_absolute_error(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.5000)
    """
    return evaluate(
        _absolute_of_log, output, target, weight, ignore_index, reduction, validate_args
    )


class MeanSquaredError(ClassificationLoss):
    """Mean squared error between softmax probabilities and the target.

    For each sample ::

        L = mean_k (h_k - y_k)^2

    The arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    >>> import torch
    >>> MeanSquaredError()(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.2500)
    """

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Mean_k (h_k - y_k)^2."""
        return _squared_of_log(log_h, target, weight)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """Mean_k (h_k - y_k)^2 at any h, corners of the simplex included."""
        return _squared(h, target, self.weight_as(h))


class MeanAbsoluteError(ClassificationLoss):
    """Absolute error between softmax probabilities and the target, robust to label noise.

    For each sample ::

        L = sum_k |h_k - y_k|,   2 (1 - p) for a class index

    The arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Source: Ghosh et al. (2017).

    >>> import torch
    >>> MeanAbsoluteError()(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.5000)
    """

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k |h_k - y_k|."""
        return _absolute_of_log(log_h, target, weight)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """Sum_k |h_k - y_k| at any h, corners of the simplex included."""
        return absolute_error(h, target, self.weight_as(h))
