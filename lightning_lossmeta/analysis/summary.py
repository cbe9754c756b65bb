"""What a loss does, in the few numbers that tell losses apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from lightning_lossmeta.analysis.curves import right_class_curve
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory import logit_step, null_epoch_rule, pull_to_push, trainable
from lightning_lossmeta.theory.attraction import symmetric_logits

# Log-odds of the least and greatest confidence that is looked at, 1e-6 and 1 - 1e-6.
_SURE = 13.8


@dataclass(frozen=True)
class LossSummary:
    """The key figures of a loss for one class count.

    Args:
        num_classes: n.
        gamma_target: Learning-rule coefficient of the target at h = 1/n.
        gamma_nontarget: Learning-rule coefficient of the other classes there.
        trainable: Whether the target probability grows there (exact invariant).
        trainable_published: The same by the paper's invariant.
        minimum: The target probability (others alike) of the least loss; 0 or 1 where it is at an
            end, NaN where there is none.
        pull_to_push: The target probability where pull turns to push; ``None`` if nowhere.
        gradient_untrained: Logit gradient at h = 1/n, in units of that of cross-entropy; negative
            where it points the other way.
        gradient_typical: The same as a root mean square over target probabilities 0.01 to 0.99.
    """

    num_classes: int
    gamma_target: float
    gamma_nontarget: float
    trainable: bool
    trainable_published: bool
    minimum: float
    pull_to_push: float | None
    gradient_untrained: float
    gradient_typical: float

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rate is to be multiplied by for typical steps as of cross-entropy."""
        return 1 / self.gradient_typical if self.gradient_typical else math.inf


def summarise(loss: LossFunction, num_classes: int) -> LossSummary:
    """The key figures of a loss.

    Args:
        loss: Any classification loss.
        num_classes: n, at least 2.

    Raises:
        ValueError: If there are fewer than two classes.

    >>> from lightning_lossmeta.losses import MeanSquaredError
    >>> summary = summarise(MeanSquaredError(), 10)
    >>> summary.trainable, round(summary.minimum, 3), round(summary.gradient_untrained, 3)
    (True, 1.0, 0.02)
    """
    gamma_target, gamma_nontarget = null_epoch_rule(loss, num_classes)
    here, typical = _pull(loss, num_classes)
    reference, reference_typical = _pull(CrossEntropy(), num_classes)
    return LossSummary(
        num_classes=num_classes,
        gamma_target=gamma_target,
        gamma_nontarget=gamma_nontarget,
        trainable=trainable(loss, num_classes),
        trainable_published=trainable(loss, num_classes, "published"),
        minimum=loss_minimum(loss, num_classes),
        pull_to_push=pull_to_push(loss, num_classes),
        gradient_untrained=here / reference,
        gradient_typical=typical / reference_typical,
    )


def loss_minimum(loss: LossFunction, num_classes: int) -> float:
    """The target probability, all other classes alike, at which a loss is least.

    Args:
        loss: Any classification loss.
        num_classes: n, at least 2.

    Returns:
        To 1e-6; 0 or 1 where the least value is at an end, NaN where the loss is constant or not
        finite.

    >>> from lightning_lossmeta.losses import CrossEntropy, LabelSmoothing
    >>> loss_minimum(CrossEntropy(), 10), round(loss_minimum(LabelSmoothing(0.1), 10), 4)
    (1.0, 0.91)
    """
    log_odds = torch.linspace(-_SURE, _SURE, 553, dtype=torch.float64)
    values = right_class_curve(loss, log_odds.sigmoid(), num_classes)
    if not bool(values.isfinite().all()) or bool((values == values[0]).all()):
        return math.nan
    lowest = int(values.argmin())
    if lowest in (0, len(values) - 1):
        return 0.0 if lowest == 0 else 1.0

    def at(x: float) -> float:
        return right_class_curve(loss, torch.tensor([x]).double().sigmoid(), num_classes).item()

    bounds = (log_odds[lowest - 1].item(), log_odds[lowest + 1].item())
    minimum = minimize_scalar(at, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return torch.tensor(float(minimum.x), dtype=torch.float64).sigmoid().item()


def _pull(loss: LossFunction, num_classes: int) -> tuple[float, float]:
    """Signed pull on the target's logit at h = 1/n; root mean square over confidences."""
    grid = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    untrained = torch.tensor([1 / num_classes], dtype=torch.float64)
    typical = _target_step(loss, num_classes, grid).square().mean().sqrt()
    return _target_step(loss, num_classes, untrained).item(), typical.item()


def _target_step(loss: LossFunction, num_classes: int, confidence: Tensor) -> Tensor:
    logits = symmetric_logits(num_classes, confidence)
    return logit_step(loss, logits, torch.zeros(len(logits), dtype=torch.long))[:, 0]
