"""Targets mixed with the network's own predictions."""

from __future__ import annotations

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


def _bootstrap_soft(log_h: Tensor, target: Tensor, weight: Tensor | None, beta: float) -> Tensor:
    entropy = -(log_h.exp() * log_h).sum(dim=1)
    losses = beta * at_target(Tensor.neg, log_h, target, None) + (1 - beta) * entropy
    return times_weight(losses, target, weight)


def _bootstrap_hard(log_h: Tensor, target: Tensor, weight: Tensor | None, beta: float) -> Tensor:
    predicted = -log_h.max(dim=1).values
    losses = beta * at_target(Tensor.neg, log_h, target, None) + (1 - beta) * predicted
    return times_weight(losses, target, weight)


def bootstrap_soft(
    output: Tensor,
    target: Tensor,
    beta: float = 0.95,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`BootstrapSoft`.

    >>> import torch
    >>> bootstrap_soft(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.3863)
    """
    values = partial(_bootstrap_soft, beta=check_interval("beta", beta, 0, 1))
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def bootstrap_hard(
    output: Tensor,
    target: Tensor,
    beta: float = 0.8,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`BootstrapHard`.

    >>> import torch
    >>> bootstrap_hard(torch.tensor([[2.0, 0.0]]), torch.tensor([1]))
    tensor(1.7269)
    """
    values = partial(_bootstrap_hard, beta=check_interval("beta", beta, 0, 1))
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class BootstrapSoft(ClassificationLoss):
    """Cross-entropy against a mixture of the target and the predicted probabilities.

    For each sample ::

        L = -sum_k [beta y_k + (1 - beta) h_k] log h_k

    Args:
        beta: Share of the target, 0 to 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``beta`` lies outside its interval.

    Source: Reed et al. (2015).
    """

    def __init__(
        self,
        beta: float = 0.95,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.beta = check_interval("beta", beta, 0, 1)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-sum_k [beta y_k + (1 - beta) h_k] log h_k."""
        return _bootstrap_soft(log_h, target, weight, self.beta)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"beta={self.beta}"


class BootstrapHard(ClassificationLoss):
    """Cross-entropy against a mixture of the target and the predicted class.

    With k* the class of the highest probability, for each sample ::

        L = -sum_k beta y_k log h_k - (1 - beta) log h_k*

    Args:
        beta: Share of the target, 0 to 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``beta`` lies outside its interval.

    Source: Reed et al. (2015).
    """

    def __init__(
        self,
        beta: float = 0.8,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.beta = check_interval("beta", beta, 0, 1)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-sum_k beta y_k log h_k - (1 - beta) log h_k*."""
        return _bootstrap_hard(log_h, target, weight, self.beta)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"beta={self.beta}"
