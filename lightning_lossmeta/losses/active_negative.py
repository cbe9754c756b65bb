"""Normalised cross-entropy in a sum with the normalised negative one."""

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
    times_weight,
)


def _nnce(log_h: Tensor, target: Tensor, weight: Tensor | None, smallest: float) -> Tensor:
    # A + log h_k with A = -log smallest, 0 for the classes that are as good as excluded.
    above = log_h.clamp_min(math.log(smallest)) - math.log(smallest)
    share = at_target(Tensor.positive, above, target, None) / above.sum(dim=1)
    return times_weight(1 - share, target, weight)


def _nce_and_nnce(
    log_h: Tensor, target: Tensor, weight: Tensor | None, alpha: float, beta: float, smallest: float
) -> Tensor:
    active = normalized_log_ratio(log_h, target, weight)
    return alpha * active + beta * _nnce(log_h, target, weight, smallest)


def nce_and_nnce(
    output: Tensor,
    target: Tensor,
    alpha: float = 5.0,
    beta: float = 5.0,
    smallest: float = 1e-7,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`NCEAndNNCE`.

    >>> import torch
    >>> nce_and_nnce(torch.zeros(1, 4), torch.tensor([0]), alpha=1, beta=1)
    tensor(1.)
    """
    values = partial(
        _nce_and_nnce,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
        smallest=check_interval("smallest", smallest, 0, 1e-6, "(]"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class NCEAndNNCE(ClassificationLoss):
    """ANL-CE, active negative loss: normalised cross-entropy and the normalised negative one.

    For each sample, with p the probability of the target, A = -log smallest and each h_k at least
    ``smallest`` in the second part ::

        L = alpha log p / sum_k log h_k
            + beta [1 - (A + log p) / sum_k (A + log h_k)]

    The paper adds delta sum_i |w_i| over the weights w of the network, against overfitting: see
    :class:`~lightning_lossmeta.modules.ActiveNegative`.

    Args:
        alpha: Factor of the active part, at least 0.
        beta: Factor of the negative part, at least 0. The paper takes alpha = beta = 1 (delta =
            1e-6) for MNIST, 5 (5e-5) for CIFAR-10.
        smallest: The least probability in the negative part, above 0 and at most 1e-6.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Ye et al. (2024), arXiv 2412.02373.
    """

    def __init__(
        self,
        alpha: float = 5.0,
        beta: float = 5.0,
        smallest: float = 1e-7,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.alpha = check_interval("alpha", alpha, 0, math.inf)
        self.beta = check_interval("beta", beta, 0, math.inf)
        self.smallest = check_interval("smallest", smallest, 0, 1e-6, "(]")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The formula above."""
        return _nce_and_nnce(log_h, target, weight, self.alpha, self.beta, self.smallest)

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}, smallest={self.smallest}"
