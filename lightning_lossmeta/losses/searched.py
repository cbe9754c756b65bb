"""Losses that a search found and whose formula was published."""

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


def _baikal(log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    inverse = at_target(lambda values: _bounded_exp(-values), log_h, target, weight)
    return times_weight(-log_h.mean(dim=1), target, weight) + inverse / log_h.shape[1]


def _bounded_exp(x: Tensor) -> Tensor:
    """exp(x), continued by its tangent where it passes the root of the largest number."""
    bound = math.log(torch.finfo(x.dtype).max) / 2
    return x.clamp_max(bound).exp() * (1 + (x - bound).clamp_min(0))


def _absolute_cross_entropy(
    log_h: Tensor, target: Tensor, weight: Tensor | None, phi0: float, phi1: float
) -> Tensor:
    shift = math.log(phi1)
    return at_target(lambda values: phi0 * (values + shift).abs(), log_h, target, weight)


def baikal(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`Baikal`.

    >>> import torch
    >>> baikal(torch.zeros(1, 2), torch.tensor([0]))
    tensor(1.6931)
    """
    return evaluate(_baikal, output, target, weight, ignore_index, reduction, validate_args)


def absolute_cross_entropy(
    output: Tensor,
    target: Tensor,
    phi0: float = 1.0,
    phi1: float = 1.1,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`AbsoluteCrossEntropy`.

    >>> import torch
    >>> absolute_cross_entropy(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.5978)
    """
    values = partial(
        _absolute_cross_entropy,
        phi0=check_interval("phi0", phi0, 0, math.inf, "()"),
        phi1=check_interval("phi1", phi1, 0, math.inf, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class Baikal(ClassificationLoss):
    """The loss that GLO found on MNIST.

    For each sample ::

        L = -mean_k [log h_k - y_k / h_k]

    1/h is continued by its tangent in log h below the inverse root of the largest number of the
    dtype (5e-20 in float32), where it would soon overflow.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Source: Gonzalez & Miikkulainen (2020).
    """

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-mean_k [log h_k - y_k / h_k]."""
        return _baikal(log_h, target, weight)


class AbsoluteCrossEntropy(ClassificationLoss):
    """The loss that EvoMAL found again and again: it turns at p = 1/phi1.

    For each sample, with p the probability of the target ::

        L = phi0 |log(phi1 p)|

    Args:
        phi0: Factor, positive.
        phi1: Positive; from 1 to 2 it regularises as label smoothing does.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter is not positive.

    Source: Raymond et al. (2024), equation 19.
    """

    def __init__(
        self,
        phi0: float = 1.0,
        phi1: float = 1.1,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.phi0 = check_interval("phi0", phi0, 0, math.inf, "()")
        self.phi1 = check_interval("phi1", phi1, 0, math.inf, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Phi0 sum_k y_k |log(phi1 h_k)|."""
        return _absolute_cross_entropy(log_h, target, weight, self.phi0, self.phi1)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"phi0={self.phi0}, phi1={self.phi1}"
