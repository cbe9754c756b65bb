"""Whether a loss can train an untrained network: the invariant of TaylorGLO, and its right form."""

from __future__ import annotations

import math
from typing import Literal

import torch

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory.learning_rule import learning_rule

# Relative difference of gammas that float64 rounding alone can make.
_ROUNDING = 1e-12


def null_epoch_rule(loss: LossFunction, num_classes: int) -> tuple[float, float]:
    """The gammas of the target and of the other classes where every probability is 1/n.

    Args:
        loss: Any loss.
        num_classes: n, at least 2.

    Returns:
        ``(gamma_target, gamma_nontarget)``; see
        :func:`~lightning_lossmeta.theory.learning_rule.learning_rule`.

    Raises:
        ValueError: If there are fewer than two classes.

    >>> from lightning_lossmeta.losses import CrossEntropy
    >>> null_epoch_rule(CrossEntropy(), 10)
    (100.0, 0.0)
    """
    if num_classes < 2:
        raise ValueError(f"Expected argument `num_classes` to be at least 2, got {num_classes}.")
    h = torch.full((1, num_classes), 1.0 / num_classes, dtype=torch.float64)
    gamma = learning_rule(loss, h, torch.zeros(1, dtype=torch.long))[0]
    return gamma[0].item(), gamma[1].item()


def trainable(
    loss: LossFunction, num_classes: int, test: Literal["exact", "published"] = "exact"
) -> bool:
    """Whether a loss makes an untrained network's target probability grow.

    With gT, gN the :func:`null_epoch_rule`::

        exact:      gT > gN             the target probability grows at h = 1/n, no more, no less
        published:  gT >= (n - 1) gN    theorem 3 of the paper, whose derivation has a sign error

    The exact test does not depend on a number added to all gammas, the published one does. It is
    meant for losses that are written in h. For others, whose gammas are fixed by gT + (n-1) gN = 0
    here, it comes to gT >= 0 and so to the exact one but for equality.

    Args:
        loss: Any loss.
        num_classes: n, at least 2.
        test: Whether to test by the exact or by the published rule.

    Raises:
        ValueError: If ``test`` is neither, or there are fewer than two classes.

    Source: Gonzalez & Miikkulainen (2021), theorem 3.

    >>> from lightning_lossmeta.losses import CrossEntropy
    >>> trainable(CrossEntropy(), num_classes=10)
    True
    """
    if test not in ("exact", "published"):
        raise ValueError(f"Expected argument `test` to be 'exact' or 'published', got {test!r}.")
    target, nontarget = null_epoch_rule(loss, num_classes)
    if not (math.isfinite(target) and math.isfinite(nontarget)):
        return False
    if test == "published":
        return target >= (num_classes - 1) * nontarget
    return target - nontarget > _ROUNDING * (abs(target) + abs(nontarget))
