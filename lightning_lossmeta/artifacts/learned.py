"""Use a learned loss anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from torch import Tensor

from lightning_lossmeta.artifacts.artifact import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.families.problem import PROBLEMS, Problem
from lightning_lossmeta.losses.base import LossFunction, Reduction
from lightning_lossmeta.losses.checks import check_sample_weight
from lightning_lossmeta.losses.classification import ClassificationLoss, Weight, class_weights
from lightning_lossmeta.losses.links import Softmax

if TYPE_CHECKING:
    from typing_extensions import Self


class LearnedLoss(LossFunction):
    """A loss that a search found, read from its JSON file; a drop-in for ``nn.CrossEntropyLoss``.

    One that changes in the course of training stays at its start, t = 0, until
    :func:`~lightning_lossmeta.losses.progress_dependent.set_progress`, or the callback
    :class:`~lightning_lossmeta.callbacks.TrainingProgress` in a Lightning fit, says otherwise.

    Args:
        path: The file, e.g. ``runs/quickstart/best.json``.
        reduction: Overrides the file's.
        weight: One number a class, which multiplies the losses of its samples; the mean is divided
            by the sum of the samples' weights. For losses of classes, with class indices.
        ignore_index: Samples of this class index count nothing. For losses of classes.

    Attributes:
        artifact: Formula, parameters and provenance.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtifactError: If the file is no learned loss.
        ValueError: If the loss is not one of classes, and ``weight`` or ``ignore_index`` is given.
    """

    weight: Tensor | None

    def __init__(
        self,
        path: str | os.PathLike[str],
        reduction: Reduction | None = None,
        weight: Weight = None,
        ignore_index: int = -100,
    ) -> None:
        artifact = Artifact.load(path)
        super().__init__(artifact.reduction if reduction is None else reduction)
        self.artifact = artifact
        self.loss = artifact.build()
        if not self.loss.link.simplex and (weight is not None or ignore_index != -100):
            raise ValueError(
                "Expected arguments `weight` and `ignore_index` for a loss of classes alone, got "
                f"them with one for problem={self.loss.link.problem!r}."
            )
        if ignore_index != -100:
            for part in self.loss.modules():
                if isinstance(part, LossFunction):
                    part.link = Softmax(ignore_index)
                if isinstance(part, ClassificationLoss):
                    part.ignore_index = ignore_index
        self.link = self.loss.link
        self.register_buffer("weight", class_weights(weight), persistent=False)

    @classmethod
    def example(cls, problem: Problem = "classification") -> Self:
        """A loss of a file that is gone again."""
        theta = (0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "loss.json"
            Artifact(TaylorFamily(problem=problem), Candidate(None, theta)).save(path)
            return cls(path)

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each kind of problem."""
        return [cls.example(problem) for problem in PROBLEMS]

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, n, ...) -> (B, ...), without class weights."""
        return self.loss.per_sample(output, target)

    def forward(self, input: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Reduce the losses, each times the weights of its sample and of its class.

        Raises:
            ValueError: If the batch is empty, weights do not fit, or there are class weights and
                the target holds probabilities.
        """
        if self.weight is None:
            return super().forward(input, target, sample_weight)
        if target.is_floating_point():
            raise ValueError(
                "Expected class indices as `target` of a learned loss with class weights, got "
                "probabilities. Give the weights of samples as `sample_weight`."
            )
        if len(self.weight) != input.shape[min(1, input.ndim - 1)]:
            raise ValueError(
                f"Expected argument `weight` to hold one number for each class of logits of shape "
                f"{tuple(input.shape)}, got {len(self.weight)}."
            )
        ignored = self.link.ignored(target)
        known = target if ignored is None else target.masked_fill(ignored, 0)
        weight = self.weight.to(input.device)[known.long()]
        if sample_weight is not None:
            if weight.ndim == 0:  # of a single sample
                weight, sample_weight = weight.unsqueeze(0), sample_weight.reshape(1)
            weight = weight * check_sample_weight(sample_weight, weight)
        return super().forward(input, target, weight)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The loss's own extension to any h (B, n, ...)."""
        return self.loss.from_probabilities(h, target)

    def extra_repr(self) -> str:
        """The formula, for ``print``."""
        return self.artifact.formula()


def load_loss(
    path: str | os.PathLike[str],
    reduction: Reduction | None = None,
    weight: Weight = None,
    ignore_index: int = -100,
) -> LearnedLoss:
    """Read a learned loss, to be called as ``loss(logits, target)``.

    Args:
        path: The JSON file.
        reduction: Overrides the file's.
        weight: One number a class, for losses of classes.
        ignore_index: Samples of this class index count nothing, for losses of classes.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtifactError: If the file is no learned loss.
        ValueError: If the loss is not one of classes, and ``weight`` or ``ignore_index`` is given.
    """
    return LearnedLoss(path, reduction, weight, ignore_index)
