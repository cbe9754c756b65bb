"""What a comparison wants to know of a fit beside its score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_lossmeta.callbacks.fitness.base import SCORED, Fitness
from lightning_lossmeta.callbacks.fitness.calibration import CalibrationError
from lightning_lossmeta.callbacks.fitness.class_targets import class_indices
from lightning_lossmeta.modules.networks import Networks

#: Names of what is logged.
VALIDATION = "validation_accuracy"
VALIDATION_ERROR = "validation_squared_error"
CLEAN = "train_clean_accuracy"
FLIPPED = "train_flipped_accuracy"
CALIBRATION = "calibration_error"
BATCH = 2000

_SELECTION = "selection"


class ComparisonScores(Fitness):
    """Logs, at each validation, figures that tell how a loss did.

    - ``validation_accuracy``, or for regression ``validation_squared_error``: on the validation
      split, whatever split scores the fit;
    - ``calibration_error``: on the split that scores the fit, the expected calibration error over
      15 bins of the largest softmax probability (Guo et al. 2017);
    - ``train_clean_accuracy``: on the training samples whose label noise left alone;
    - ``train_flipped_accuracy``: how many of the flipped training labels the network repeats, that
      is, has learned by heart.

    The last two need a data module whose ``splits.train`` knows its labels before noise; all but
    the first are for classifiers. Targets that are probabilities of the classes, (B, n) with rows
    that add up to one, count as their likeliest class. Other forms than outputs (B, n) and class
    indices (B,), probabilities or numbers (B, n), are left alone.
    """

    def parts(self, data: Any) -> Mapping[str, Iterable[Any]]:
        """The validation split, and the training samples with clean and with flipped labels."""
        parts = {_SELECTION: getattr(data, "selection_dataloader", data.val_dataloader)()}
        train = getattr(getattr(data, "splits", None), "train", None)
        if train is not None and getattr(train, "clean", None) is not None:
            for name, chosen in ((CLEAN, ~train.flipped), (FLIPPED, train.flipped)):
                parts[name] = _batches(train.inputs[chosen], train.targets[chosen])
        return parts

    @torch.no_grad()
    def measure(
        self, networks: Networks, part: str, inputs: Tensor, target: Tensor
    ) -> Mapping[str, Tensor]:
        """Whether each sample's class is predicted, or its squared error."""
        if part == SCORED:
            return {}
        outputs = networks.outputs(inputs).float()
        targets = networks.own(target)
        if (classes := class_indices(outputs, targets)) is not None:
            name = VALIDATION if part == _SELECTION else part
            return {name: (outputs.argmax(dim=-1) == classes).float()}
        if part == _SELECTION and outputs.dim() == 3 and outputs.shape == targets.shape:
            return {VALIDATION_ERROR: (outputs - targets).square().mean(dim=-1)}
        return {}

    def metrics(self, part: str, outputs: Tensor, target: Tensor) -> Mapping[str, Metric]:
        """The calibration error of classifiers on what scores the fit."""
        if part != SCORED or class_indices(outputs, target) is None:
            return {}
        return {CALIBRATION: CalibrationError(outputs.shape[-1])}


def _batches(inputs: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    starts = range(0, len(target), BATCH)
    return ((inputs[start : start + BATCH], target[start : start + BATCH]) for start in starts)
