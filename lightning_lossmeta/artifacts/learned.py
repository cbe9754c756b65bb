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

    Attributes:
        artifact: Formula, parameters and provenance.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtifactError: If the file is no learned loss.
    """

    def __init__(self, path: str | os.PathLike[str], reduction: Reduction | None = None) -> None:
        artifact = Artifact.load(path)
        super().__init__(artifact.reduction if reduction is None else reduction)
        self.artifact = artifact
        self.loss = artifact.build()
        self.link = self.loss.link

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
        """Loss of each sample, (B, n, ...) -> (B, ...)."""
        return self.loss.per_sample(output, target)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The loss's own extension to any h (B, n, ...)."""
        return self.loss.from_probabilities(h, target)

    def extra_repr(self) -> str:
        """The formula, for ``print``."""
        return self.artifact.formula()


def load_loss(path: str | os.PathLike[str], reduction: Reduction | None = None) -> LearnedLoss:
    """Read a learned loss, to be called as ``loss(logits, target)``.

    Args:
        path: The JSON file.
        reduction: Overrides the file's.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtifactError: If the file is no learned loss.
    """
    return LearnedLoss(path, reduction)
