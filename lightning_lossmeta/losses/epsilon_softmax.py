"""Cross-entropy of probabilities that are pushed towards the predicted class."""

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
from lightning_lossmeta.losses.distance import absolute_error


def _epsilon_softmax(log_h: Tensor, m: float, smallest: float) -> Tensor:
    """Log h', with h' = (h + m onehot(argmax h)) / (m + 1), at least log ``smallest``."""
    top = torch.zeros_like(log_h).scatter(1, log_h.argmax(dim=1, keepdim=True), 1.0).bool()
    # 1 + (h - 1) / (m + 1) at the predicted class; the others are not looked at.
    first = (torch.expm1(log_h.masked_fill(~top, 0.0)) / (m + 1)).log1p()
    log_pushed = torch.where(top, first, log_h - math.log1p(m))
    return log_pushed.clamp_min(math.log(smallest)) if smallest else log_pushed


def _ce_epsilon_and_mae(
    log_h: Tensor,
    target: Tensor,
    weight: Tensor | None,
    alpha: float,
    beta: float,
    m: float,
    smallest: float,
) -> Tensor:
    cross_entropy = at_target(Tensor.neg, _epsilon_softmax(log_h, m, smallest), target, weight)
    return alpha * cross_entropy + beta * absolute_error(log_h.exp(), target, weight)


def ce_epsilon_and_mae(
    output: Tensor,
    target: Tensor,
    alpha: float = 0.01,
    beta: float = 5.0,
    m: float = 1e5,
    smallest: float = 1e-8,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`CEEpsilonAndMAE`.

    >>> import torch
    >>> ce_epsilon_and_mae(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), m=1, alpha=1, beta=0)
    tensor(0.1444)
    """
    values = partial(
        _ce_epsilon_and_mae,
        alpha=check_interval("alpha", alpha, 0, math.inf),
        beta=check_interval("beta", beta, 0, math.inf),
        m=check_interval("m", m, 0, math.inf),
        smallest=check_interval("smallest", smallest, 0, 1, "[)"),
    )
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class CEEpsilonAndMAE(ClassificationLoss):
    """Cross-entropy of an epsilon-softmax, which is nearly one-hot, plus the mean absolute error.

    For each sample, with p the target's entry of h' = (h + m onehot(argmax h)) / (m + 1) ::

        L = -alpha log p + beta sum_k |h_k - y_k|

    The second part is 2 (1 - h_y) for a class index.

    Args:
        alpha: Factor of the cross-entropy, at least 0.
        beta: Factor of the mean absolute error, at least 0.
        m: How far h' is pushed, at least 0; h' is within 1 / (m + 1) of one-hot. The paper takes
            (alpha, beta, m) = (0.01, 5, 1e5) for CIFAR-10 with symmetric noise, (0.02, 5, 1e3) with
            asymmetric noise.
        smallest: The least p, where the gradient of the first part ends, as in the authors' code;
            0 for none.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If a parameter lies outside its interval.

    Source: Wang et al. (2024), epsilon-softmax: approximating one-hot vectors for mitigating label
    noise.
    """

    def __init__(
        self,
        alpha: float = 0.01,
        beta: float = 5.0,
        m: float = 1e5,
        smallest: float = 1e-8,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.alpha = check_interval("alpha", alpha, 0, math.inf)
        self.beta = check_interval("beta", beta, 0, math.inf)
        self.m = check_interval("m", m, 0, math.inf)
        self.smallest = check_interval("smallest", smallest, 0, 1, "[)")

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-alpha sum_k y_k log h'_k + beta sum_k |h_k - y_k|."""
        return _ce_epsilon_and_mae(
            log_h, target, weight, self.alpha, self.beta, self.m, self.smallest
        )

    def extra_repr(self) -> str:
        """The parameters, for ``print``."""
        return f"alpha={self.alpha}, beta={self.beta}, m={self.m}, smallest={self.smallest}"
