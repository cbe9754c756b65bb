"""Asymmetric losses: bounded ones that prefer the label that most samples have."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor

from lightning_lossmeta.losses.active_passive import normalized_log_ratio
from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.classification import (
    ClassificationLoss,
    Weight,
    at_target,
    evaluate,
)


def _agce(log_h: Tensor, target: Tensor, weight: Tensor | None, a: float, q: float) -> Tensor:
    return at_target(
        lambda values: ((a + 1) ** q - (a + values.exp()) ** q) / q, log_h, target, weight
    )


def _aul(log_h: Tensor, target: Tensor, weight: Tensor | None, a: float, q: float) -> Tensor:
    return at_target(
        lambda values: ((a - values.exp()) ** q - (a - 1) ** q) / q, log_h, target, weight
    )


def _nce_and_agce(
    log_h: Tensor,
    target: Tensor,
    weight: Tensor | None,
    alpha: float,
    beta: float,
    a: float,
    q: float,
) -> Tensor:
    active = normalized_log_ratio(log_h, target, weight)
    return alpha * active + beta * _agce(log_h, target, weight, a, q)


def asymmetric_generalized_cross_entropy(
    output: Tensor,
    target: Tensor,
    a: float = 0.6,
    q: float = 0.6,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`AsymmetricGeneralizedCrossEntropy`.

    >>> import torch
    >>> asymmetric_generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([0]), a=1, q=2)
    tensor(1.2188)
    """
    values = partial(
        _agce,
        a=check_interval("a", a, 0, math.inf, "()"),
        q=check_interval("q", q, 0, math.inf, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def asymmetric_unhinged(
    output: Tensor,
    target: Tensor,
    a: float = 5.5,
    q: float = 3.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`AsymmetricUnhinged`.

    >>> import torch
    >>> asymmetric_unhinged(torch.zeros(1, 4), torch.tensor([0]), a=2, q=2)
    tensor(1.0312)
    """
    values = partial(
        _aul,
        a=check_interval("a", a, 1, math.inf, "()"),
        q=check_interval("q", q, 0, math.inf, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


def nce_and_agce(
    output: Tensor,
    target: Tensor,
    alpha: float = 1.0,
    beta: float = 4.0,
    a: float = 6.0,
    q: float = 1.5,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`NCEAndAGCE`.

    >>> import torch
    >>> nce_and_agce(torch.zeros(1, 4), torch.tensor([0]), a=1, q=2, beta=1)
    tensor(1.4688)
    """
    values = partial(
        _nce_and_agce,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
        a=check_interval("a", a, 0, math.inf, "()"),
        q=check_interval("q", q, 0, math.inf, "()"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class AsymmetricGeneralizedCrossEntropy(ClassificationLoss):
    """AGCE: generalised cross-entropy whose gradient stays finite where the label is missed.

    For each sample, with p the probability of the target ::

        L = [(a + 1)^q - (a + p)^q] / q

    Args:
        a: Above 0; generalised cross-entropy for a near 0.
        q: Above 0. The paper takes a = 4, q = 0.2 for MNIST, a = q = 0.6 for CIFAR-10.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``a`` or ``q`` lies outside its interval.

    Source: Zhou et al. (2021), Asymmetric loss functions for learning with noisy labels.
    """

    def __init__(
        self,
        a: float = 0.6,
        q: float = 0.6,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.a = check_interval("a", a, 0, math.inf, "()")
        self.q = check_interval("q", q, 0, math.inf, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k y_k [(a + 1)^q - (a + h_k)^q] / q."""
        return _agce(log_h, target, weight, self.a, self.q)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"a={self.a}, q={self.q}"


class AsymmetricUnhinged(ClassificationLoss):
    """AUL: a power of the distance of the target's probability from a number above 1.

    For each sample, with p the probability of the target ::

        L = [(a - p)^q - (a - 1)^q] / q

    Args:
        a: Above 1.
        q: Above 0; half the mean absolute error at 1. The paper takes a = 3, q = 0.1 for MNIST,
            a = 5.5, q = 3 for CIFAR-10.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``a`` or ``q`` lies outside its interval.

    Source: Zhou et al. (2021), Asymmetric loss functions for learning with noisy labels.
    """

    def __init__(
        self,
        a: float = 5.5,
        q: float = 3.0,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.a = check_interval("a", a, 1, math.inf, "()")
        self.q = check_interval("q", q, 0, math.inf, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Sum_k y_k [(a - h_k)^q - (a - 1)^q] / q."""
        return _aul(log_h, target, weight, self.a, self.q)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"a={self.a}, q={self.q}"


class NCEAndAGCE(ClassificationLoss):
    """Active-passive loss of normalised cross-entropy and AGCE.

    For each sample, with p the probability of the target ::

        L = alpha log p / sum_k log h_k + beta [(a + 1)^q - (a + p)^q] / q

    Args:
        alpha: Factor of the active part, at least 0.
        beta: Factor of the asymmetric part, at least 0.
        a: Above 0.
        q: Above 0. The defaults are those of the paper for CIFAR-10.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Zhou et al. (2021), Asymmetric loss functions for learning with noisy labels.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 4.0,
        a: float = 6.0,
        q: float = 1.5,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.alpha = check_interval("alpha", alpha, 0, math.inf)
        self.beta = check_interval("beta", beta, 0, math.inf)
        self.a = check_interval("a", a, 0, math.inf, "()")
        self.q = check_interval("q", q, 0, math.inf, "()")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Alpha log p / sum_k log h_k + beta [(a + 1)^q - (a + p)^q] / q."""
        return _nce_and_agce(log_h, target, weight, self.alpha, self.beta, self.a, self.q)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}, a={self.a}, q={self.q}"
