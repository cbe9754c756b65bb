"""Normalised cross-entropy beside a squared error towards a number far above 1."""

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
    evaluate,
    times_weight,
)
from lightning_lossmeta.losses.links import soft_target


def _nce_and_amse(
    log_h: Tensor, target: Tensor, weight: Tensor | None, alpha: float, beta: float, a: float
) -> Tensor:
    active = normalized_log_ratio(log_h, target, weight)
    passive = (log_h.exp() - a * soft_target(log_h, target)).square().mean(dim=1)
    return alpha * active + beta * times_weight(passive, target, weight)


def nce_and_amse(
    output: Tensor,
    target: Tensor,
    alpha: float = 1.0,
    beta: float = 1.0,
    a: float = 30.0,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`NCEAndAMSE`.

    >>> import torch
    >>> nce_and_amse(torch.zeros(1, 4), torch.tensor([0]), a=2)
    tensor(1.0625)
    """
    values = partial(
        _nce_and_amse,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
        a=check_interval("a", a, 1, math.inf),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class NCEAndAMSE(ClassificationLoss):
    """JAL-CE, joint asymmetric loss: normalised cross-entropy and an asymmetric squared error.

    For each sample, with p the probability of the target ::

        L = alpha log p / sum_k log h_k + beta mean_k (h_k - a y_k)^2

    The second part is a polynomial of h and y; up to a constant it is the mean of h_k^2 - 2 a p.

    Args:
        alpha: Factor of the active part, at least 0.
        beta: Factor of the passive part, at least 0.
        a: What the target's probability is drawn to, at least 1, where the second part is the mean
            squared error; the more of it, the nearer to the mean absolute error. The defaults are
            those of the paper for CIFAR-10.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Wang et al. (2025), arXiv 2507.17692.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 1.0,
        a: float = 30.0,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.alpha = check_interval("alpha", alpha, 0, math.inf)
        self.beta = check_interval("beta", beta, 0, math.inf)
        self.a = check_interval("a", a, 1, math.inf)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Alpha log p / sum_k log h_k + beta mean_k (h_k - a y_k)^2."""
        return _nce_and_amse(log_h, target, weight, self.alpha, self.beta, self.a)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}, a={self.a}"
