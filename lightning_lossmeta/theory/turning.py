"""Where a loss turns from pulling a sample to its label to pushing it away."""

from __future__ import annotations

from itertools import pairwise

import torch
from scipy.optimize import brentq
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory.attraction import symmetric_logits
from lightning_lossmeta.theory.learning_rule import learning_rule, logit_step

# Log-odds of the confidences that are looked at first, 1e-6 to 1 - 1e-6.
_GRID = torch.linspace(-13.8, 13.8, 553, dtype=torch.float64)
_ENTRIES_AT_ONCE = 4_000_000
# Share of sum_k |gamma_k| h_k that float64 rounding alone can make of a logit step.
_ROUNDING = 1e-12


def pull_to_push(loss: LossFunction, num_classes: int) -> float | None:
    """The confidence at which a loss stops pulling a sample to its label and pushes it away.

    Args:
        loss: Any classification loss.
        num_classes: n, at least 2.

    Returns:
        The lowest target probability (all other classes alike) where pull turns to push, to 1e-9;
        ``None`` if it does so nowhere between 1e-6 and 1 - 1e-6.

    >>> from lightning_lossmeta.losses import CrossEntropy, LabelSmoothing
    >>> pull_to_push(CrossEntropy(), 10) is None
    True
    >>> round(pull_to_push(LabelSmoothing(xi=0.1), 10), 6)
    0.91
    """
    margins = torch.cat(
        [_margin(loss, num_classes, part) for part in torch.split(_GRID, _rows(num_classes))]
    )
    seen = [(odds, m) for odds, m in zip(_GRID.tolist(), margins.tolist(), strict=True) if m != 0]
    for (low, pull), (high, push) in pairwise(seen):
        if pull > 0 > push:
            root = brentq(
                lambda odds: _margin(loss, num_classes, torch.tensor([odds]).double()).item(),
                low,
                high,
                xtol=1e-11,
            )
            return torch.tensor(root, dtype=torch.float64).sigmoid().item()
    return None


def _rows(num_classes: int) -> int:
    return max(1, _ENTRIES_AT_ONCE // max(num_classes, 1))


def _margin(loss: LossFunction, num_classes: int, log_odds: Tensor) -> Tensor:
    """How much the target's logit gains on the others; zero where that is rounding."""
    logits = symmetric_logits(num_classes, log_odds.sigmoid())
    step = logit_step(loss, logits, torch.zeros(len(logits), dtype=torch.long))
    margin = step[:, 0] - step[:, 1:].mean(dim=1)
    h = logits.softmax(dim=1)
    gamma = learning_rule(loss, h, torch.zeros(len(logits), dtype=torch.long))
    return torch.where(margin.abs() > _ROUNDING * (gamma.abs() * h).sum(dim=1), margin, 0.0)
