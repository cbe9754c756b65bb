"""Losses of real-valued outputs f and targets y, for regression."""

from __future__ import annotations

import math

import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.links import Identity


class RegressionLoss(ElementwiseLoss):
    """A loss of outputs f and targets y of one shape, averaged over a sample's entries.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__(Identity(), reduction)

    def extra_repr(self) -> str:
        """Nothing: the name says what it is for."""
        return ""


class RegressionSquaredError(RegressionLoss):
    """Squared error; equal to ``torch.nn.MSELoss``.

    For a sample with the outputs f_1, ..., f_n ::

        L = mean_k [ (f_k - y_k)^2 ]

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    >>> import torch
    >>> RegressionSquaredError()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """(f - y)^2."""
        return F.mse_loss(prediction, label, reduction="none")


class RegressionAbsoluteError(RegressionLoss):
    """Absolute error; equal to ``torch.nn.L1Loss``.

    For a sample with the outputs f_1, ..., f_n ::

        L = mean_k |f_k - y_k|

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    >>> import torch
    >>> RegressionAbsoluteError()(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """|f - y|."""
        return F.l1_loss(prediction, label, reduction="none")


class RegressionHuber(RegressionLoss):
    """Squared error near zero, absolute error beyond; equal to ``torch.nn.HuberLoss``.

    For a sample with the errors r_k = |f_k - y_k| ::

        L = mean_k [ r_k^2 / 2  if r_k <= delta,  else  delta (r_k - delta/2) ]

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

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Huber's function of f - y."""
        return F.huber_loss(prediction, label, reduction="none", delta=self.delta)

    def extra_repr(self) -> str:
        """The parameter, for ``print``."""
        return f"delta={self.delta}"
