"""How far confidence and accuracy are apart, as a fitness."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassCalibrationError

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.fitness.base import SCORED, Fitness
from lightning_lossmeta.callbacks.fitness.class_targets import class_indices
from lightning_lossmeta.task import Objective


class CalibrationError(MulticlassCalibrationError):
    """The expected calibration error of logits, in float32 whatever precision they have."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take a batch in: logits (B, n), and class indices or probabilities."""
        classes = target.argmax(dim=-1) if target.is_floating_point() else target
        super().update(preds.float().softmax(dim=-1), classes)


class CalibrationFitness(Fitness):
    """Scores fits by the expected calibration error, which is to be small.

    Over bins of the largest softmax probability ::

        ECE = sum_b n_b / n |acc_b - conf_b|

    where n_b of n samples fall into bin b, with their accuracy and mean confidence there. A network
    that is right one time in ten, and says so, has none: use it beside an accuracy, as one of
    several objectives. Logs ``val_calibration_error``. Targets that are probabilities count as
    their likeliest class.

    Args:
        bins: How many bins of equal width there are.

    Raises:
        ValueError: If ``bins`` is below 1.

    Source: Guo et al. (2017).

    >>> CalibrationFitness().objectives
    (Objective(monitor='val_calibration_error', mode='min', weight=1.0),)
    """

    name = "val_calibration_error"

    def __init__(self, bins: int = 15) -> None:
        check_at_least(1, bins=bins)
        self.bins = bins

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The calibration error."""
        return (Objective(self.name, "min"),)

    def metrics(self, part: str, outputs: Tensor, target: Tensor) -> Mapping[str, Metric]:
        """The calibration error on what scores the fit.

        Raises:
            ValueError: If outputs are no logits of classes, or targets no classes.
        """
        if part != SCORED:
            return {}
        if class_indices(outputs, target) is None:
            raise ValueError(
                "Expected logits (B, n) of at least two classes, and class indices (B,) or "
                "probabilities (B, n), for a calibration error, got outputs "
                f"{tuple(outputs.shape[1:])} and targets {tuple(target.shape[1:])} of "
                f"{target.dtype}."
            )
        return {self.name: CalibrationError(outputs.shape[-1], n_bins=self.bins)}
