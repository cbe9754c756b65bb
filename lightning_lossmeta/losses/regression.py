"""Losses of real-valued outputs f and targets y, for regression."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction, Reduction
from lightning_lossmeta.losses.checks import check_interval


class RegressionLoss(LossFunction):
    """A loss of outputs f and targets y of one shape, averaged over a sample's entries.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.
    """

    @abstractmethod
    def values(self, output: Tensor, target: Tensor) -> Tensor:
        """The formula, entry by entry."""

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, ...) -> (B,).

        Raises:
            ValueError: If the shapes differ (nothing is broadcast).
        """
        if output.shape != target.shape or output.ndim == 0:
            raise ValueError(
                "Expected arguments `output` and `target` to have one shape (batch, ...), got "
                f"{tuple(output.shape)} and {tuple(target.shape)}."
            )
        values = self.values(output, target.to(output.dtype))
        return values.flatten(1).mean(dim=1) if values.ndim > 1 else values

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """Refused: outputs are no probabilities.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"Expected a classification loss, got {type(self).__name__}, whose outputs are no "
            "probabilities."
        )


class RegressionSquaredError(RegressionLoss):
    """Squared error, (f - y)^2; equal to ``torch.nn.MSELoss``.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    >>> import torch
    >>> RegressionSquaredError()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def values(self, output: Tensor, target: Tensor) -> Tensor:
        """(f - y)^2."""
        return F.mse_loss(output, target, reduction="none")


class RegressionAbsoluteError(RegressionLoss):
    """Absolute error, |f - y|; equal to ``torch.nn.L1Loss``.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    >>> import torch
    >>> RegressionAbsoluteError()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def values(self, output: Tensor, target: Tensor) -> Tensor:
        """|f - y|."""
        return F.l1_loss(output, target, reduction="none")


class RegressionHuber(RegressionLoss):
    """Squared error near zero, absolute error beyond; equal to ``torch.nn.HuberLoss``.

    For each entry, with r = |f - y| ::

        r^2 / 2  if r <= delta,  else  delta (r - delta/2)

    Args:
        delta: Where it turns, positive.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    Raises:
        ValueError: If ``delta`` is not positive.

    >>> import torch
    >>> RegressionHuber()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(0.7500)
    """

    def __init__(self, delta: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.delta = check_interval("delta", delta, 0, math.inf, "()")

    def values(self, output: Tensor, target: Tensor) -> Tensor:
        """Huber's function of f - y."""
        return F.huber_loss(output, target, reduction="none", delta=self.delta)

    def extra_repr(self) -> str:
        """The parameter, for ``print``."""
        return f"delta={self.delta}"
