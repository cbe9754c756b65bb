"""What fitnesses under attack share: raw pixels, names in the log, and which samples."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.fitness.base import SCORED, Fitness
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.attacks import Normalisation
from lightning_lossmeta.modules.networks import Networks
from lightning_lossmeta.task import Objective, Task

#: Samples times networks that are attacked at once, which bounds the memory: on a CPU as many as
#: its cache has room for, elsewhere more.
_AT_ONCE = {"cpu": 256}
_AT_ONCE_ELSEWHERE = 4096


class AttackedAccuracy(Fitness, ABC):
    """Scores fits by their accuracy under an attack, which a subclass writes.

    Args:
        epsilon: Largest change of a pixel, pixels being in [0, 1].
        mean: What the data module subtracts; by default its attribute ``mean``.
        std: What it divides by; by default its attribute ``std``.
        name: The name that the accuracy is logged under. Several attacks in one session need names
            that differ.
        samples: How many samples are attacked, the first of the data; ``None`` for all.

    Raises:
        ValueError: If ``epsilon`` is negative, an entry of ``std`` not positive, or ``samples``
            below 1.
    """

    def __init__(
        self,
        epsilon: float,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        name: str,
        samples: int | None,
    ) -> None:
        if mean is not None and std is not None:
            Normalisation(tuple(mean), tuple(std))
        elif std is not None:
            Normalisation(tuple(std), tuple(std))
        if samples is not None:
            check_at_least(1, samples=samples)
        if not name:
            raise ValueError("Expected argument `name` to be a name for the log, got none.")
        self.epsilon = check_interval("epsilon", epsilon, 0, math.inf)
        self.mean = mean
        self.std = std
        self.name = name
        self.samples = samples
        self._found: Normalisation | None = None
        self._seen = 0

    @abstractmethod
    def attacked_correct(
        self, networks: Networks, inputs: Tensor, target: Tensor, place: int = 0
    ) -> Tensor:
        """Whether each network still classifies each input right under attack, (C, B).

        Args:
            networks: One network, or a stack of C, in evaluation mode.
            inputs: A batch's, normalised, (B, channels, ...).
            target: A batch's class indices.
            place: How many samples came before.

        Raises:
            ValueError: If the normalisation of the pixels is not known, or inputs are none.
        """

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The accuracy under attack."""
        return (Objective(self.name),)

    @property
    def pixels(self) -> Normalisation:
        """How pixels were normalised.

        Raises:
            ValueError: If it is not known.
        """
        found = Normalisation.of(self._found, self.mean, self.std)
        if found is None:
            raise ValueError("Expected arguments `mean` and `std` for an attack in raw pixels.")
        return found

    def prepare(self, task: Task) -> AttackedAccuracy:
        """The attack in the raw pixels of a task's data.

        Raises:
            ValueError: If the normalisation of the pixels is not known, or the task's session has
                another attack that logs under the same name.
        """
        self._check_name(task.session.callbacks)
        pixels = self._pixels_of(task.data)
        prepared = copy.copy(self)
        prepared.mean, prepared.std = list(pixels.mean), list(pixels.std)
        return prepared

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Learn how the trainer's data are normalised, if nobody said.

        Raises:
            ValueError: As of :meth:`prepare`.
        """
        self._check_name([item for item in trainer.callbacks if item is not self])  # type: ignore[attr-defined]
        self._found = self._pixels_of(trainer.datamodule)  # type: ignore[attr-defined]

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last validation."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._seen = 0

    def measure(
        self, networks: Networks, part: str, inputs: Tensor, target: Tensor
    ) -> Mapping[str, Tensor]:
        """Whether each sample is still classified right under attack."""
        place, self._seen = self._seen, self._seen + networks.own(inputs).shape[1]
        if part != SCORED or (self.samples is not None and place >= self.samples):
            return {}
        with networks.evaluating():
            right = self.attacked_correct(networks, inputs, target, place)
        return {self.name: right if self.samples is None else right[:, : self.samples - place]}

    def _pixels_of(self, data: object) -> Normalisation:
        pixels = Normalisation.of(data, self.mean, self.std)
        if pixels is None:
            raise ValueError(
                f"Expected {type(data).__name__} to have attributes `mean` and `std`, or "
                f"{type(self).__name__} to be given them: the attack is measured in raw pixels. "
                "For pixels in [0, 1] that nothing was done to they are [0] and [1]."
            )
        return pixels

    def _check_name(self, others: Sequence[pl.Callback]) -> None:
        if any(isinstance(item, AttackedAccuracy) and item.name == self.name for item in others):
            raise ValueError(
                f"Expected attacks of one session to log under names of their own, got "
                f"'{self.name}' twice: give one of them an argument `name`, as "
                f"'{self.name}_{self.epsilon:g}'."
            )


def in_parts(inputs: Tensor, count: int) -> Sequence[slice]:
    """Slices of a batch (C, B, ...), each small enough to be attacked at once.

    Args:
        inputs: Each network's own.
        count: C.
    """
    size = max(1, _AT_ONCE.get(inputs.device.type, _AT_ONCE_ELSEWHERE) // count)
    return [slice(start, start + size) for start in range(0, inputs.shape[1], size)]


def worst(results: Sequence[Tensor]) -> Tensor:
    """What is right in all of several attacks, (C, B); NaN where one of them is."""
    return torch.stack(list(results)).amin(dim=0)
