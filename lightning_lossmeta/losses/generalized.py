"""Between cross-entropy and the mean absolute error: robust to label noise."""

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


def _power(log_h: Tensor, q: float) -> Tensor:
    """(1 - h^q) / q, without cancellation where h is near one."""
    return -torch.expm1(q * log_h) / q


def _generalized_cross_entropy(
    log_h: Tensor, target: Tensor, weight: Tensor | None, q: float
) -> Tensor:
    return at_target(lambda values: _power(values, q), log_h, target, weight)


def _truncated_generalized_cross_entropy(
    log_h: Tensor, target: Tensor, weight: Tensor | None, q: float, k: float
) -> Tensor:
    floor = math.log(k)
    return at_target(lambda values: _power(values.clamp_min(floor), q), log_h, target, weight)


def generalized_cross_entropy(
    output: Tensor,
    target: Tensor,
    q: float = 0.7,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`GeneralizedCrossEntropy`.

    >>> import torch
    >>> generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([0]), q=0.5)
    tensor(1.)
    """
    values = partial(_generalized_cross_entropy, q=check_interval("q", q, 0, 1, "(]"))
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def truncated_generalized_cross_entropy(
    output: Tensor,
    target: Tensor,
    q: float = 0.7,
    k: float = 0.5,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`TruncatedGeneralizedCrossEntropy`.

    >>> import torch
    >>> truncated_generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([0]), q=0.5, k=0.25)
    tensor(1.)
    """
    values = partial(
        _truncated_generalized_cross_entropy,
        q=check_interval("q", q, 0, 1, "(]"),
        k=check_interval("k", k, 0, 1, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class GeneralizedCrossEntropy(ClassificationLoss):
    """Generalised cross-entropy: cross-entropy for q near 0, half the MAE at q = 1.

    For each sample, with p the probability of the target ::

        L = (1 - p^q) / q

    Args:
        q: Above 0, at most 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``q`` lies outside its interval.

    Source: Zhang & Sabuncu (2018), equation 6.
    """

    def __init__(
        self,
        q: float = 0.7,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.q = check_interval("q", q, 0, 1, "(]")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k y_k (1 - h_k^q) / q."""
        return _generalized_cross_entropy(log_h, target, weight, self.q)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"q={self.q}"


class TruncatedGeneralizedCrossEntropy(ClassificationLoss):
    """Generalised cross-entropy that is constant for samples of a small target probability.

    For each sample, with p the probability of the target ::

        L = (1 - max(p, k)^q) / q

    Samples with p < k have no gradient: start it from a network trained by another loss.

    Args:
        q: Above 0, at most 1.
        k: The probability below which a sample is left out, between 0 and 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``q`` or ``k`` lies outside its interval.

    Source: Zhang & Sabuncu (2018), section 3.3.
    """

    def __init__(
        self,
        q: float = 0.7,
        k: float = 0.5,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.q = check_interval("q", q, 0, 1, "(]")
        self.k = check_interval("k", k, 0, 1, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k y_k (1 - max(h_k, k)^q) / q."""
        return _truncated_generalized_cross_entropy(log_h, target, weight, self.q, self.k)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"q={self.q}, k={self.k}"
