"""Training on attacked images as a training method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.attacks import Normalisation, pgd
from lightning_lossmeta.modules.methods import TrainingMethod, check_supervised
from lightning_lossmeta.modules.networks import networks_of
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, module_kwargs

if TYPE_CHECKING:
    from typing_extensions import Self

_SEEDS = 2**32


@dataclass(frozen=True)
class AdversarialTraining(TrainingMethod):
    """FGSM-RS: each batch is attacked by one step from a random start, and trained on instead.

    In raw pixels, with the projection P on the ball of radius epsilon around x and on [0, 1] ::

        x' = P(x + u + step_factor epsilon sign(dCE/dx)),   u even in [-epsilon, epsilon]

    the gradient being that at the random start. The module's loss, cross-entropy by default, is
    that of the attacked batch. A step costs two forward and two backward passes. With a large
    epsilon or a long training networks may come to withstand this one step alone (catastrophic
    overfitting): look at accuracy under many steps. The batches are those of a fit without it.

    Args:
        epsilon: Largest change of a pixel, pixels being in [0, 1].
        step_factor: How far the step goes, in units of epsilon.
        mean: What the data module subtracts; by default its attribute ``mean``.
        std: What it divides by; by default its attribute ``std``.

    Raises:
        ValueError: If a number is negative, or an entry of ``std`` not positive.

    Source: Wong et al. (2020), algorithm 3.
    """

    epsilon: float = 0.1
    step_factor: float = 1.25
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_interval("epsilon", self.epsilon, 0, math.inf)
        check_interval("step_factor", self.step_factor, 0, math.inf)
        Normalisation.of(None, self.mean, self.std)

    @classmethod
    def example(cls) -> Self:
        """For data of about unit size, taken for pixels of little contrast."""
        return cls(epsilon=0.01, mean=(0.5,), std=(0.05,))

    def wrap(self, module: pl.LightningModule) -> AdversarialTrainingModule:
        """The module that attacks each batch before it trains on it."""
        return AdversarialTrainingModule(check_supervised(module, self), self)


class AdversarialTrainingModule(SupervisedModule):
    """The module that :class:`AdversarialTraining` trains; validation and test are as they were.

    Args:
        module: Gives network, loss, optimiser, schedule and metric.
        method: Says how batches are attacked.
    """

    def __init__(self, module: SupervisedModule, method: AdversarialTraining) -> None:
        super().__init__(**module_kwargs(module))
        self.method = method
        self._pixels: Normalisation | None = None

    def on_train_start(self) -> None:
        """Learn how the data are normalised.

        Raises:
            ValueError: If neither the method nor the data module says it.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self._pixels = Normalisation.of(data, self.method.mean, self.method.std)
        if self._pixels is None:
            raise ValueError(
                f"Expected {type(data).__name__} to have attributes `mean` and `std`, or "
                "AdversarialTraining to be given them: images are attacked in raw pixels."
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss of the attacked batch."""
        inputs, target = batch
        return super().training_step((self.attacked(inputs, target), target), batch_idx)

    def attacked(self, inputs: Tensor, target: Tensor) -> Tensor:
        """A training batch under attack, of the same shape.

        The gradient is that of the network in evaluation mode: dropout and the statistics of batch
        normalisation see the attacked batch alone. Random starts derive from the fit's seed and the
        number of the batch.

        Raises:
            RuntimeError: If no Trainer trains the module.
        """
        if self._pixels is None:
            raise RuntimeError("Expected to be trained by a Trainer, whose data say `mean`, `std`.")
        number = self.trainer.fit_loop.epoch_loop.total_batch_idx
        seed = derived_seed(torch.initial_seed() % _SEEDS, Purpose.TRAINING_ATTACK, number)
        drawn = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(seed))
        epsilon, size = self.method.epsilon, self.method.epsilon * self.method.step_factor
        start = ((2 * drawn - 1) * epsilon).to(inputs)
        networks = networks_of(self)
        with networks.evaluating():
            own = inputs.unsqueeze(0), target.unsqueeze(0)
            return pgd(networks, *own, epsilon, 1, size, start, self._pixels)[0]
