"""Early-learning regularisation as a training method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.early_learning import EarlyLearningRegularization
from lightning_lossmeta.modules.indexed_batches import IndexTraining
from lightning_lossmeta.modules.methods import TrainingMethod, check_supervised
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, module_kwargs


@dataclass(frozen=True)
class EarlyLearning(TrainingMethod):
    """ELR: the module's loss plus a term that holds predictions to the early ones.

    The term is :class:`~lightning_lossmeta.losses.EarlyLearningRegularization`; the paper's loss is
    cross-entropy, the default of a module. The batches are those of a fit without the method.

    Args:
        strength: The factor of the term, at least 0.
        momentum: What is kept of a sample's memory at a visit, 0 to below 1.

    Raises:
        ValueError: If a number lies outside its interval.

    Source: Liu et al. (2020).
    """

    strength: float = 3.0
    momentum: float = 0.7

    def __post_init__(self) -> None:
        check_interval("strength", self.strength, 0, math.inf)
        check_interval("momentum", self.momentum, 0, 1, "[)")

    def wrap(self, module: pl.LightningModule) -> EarlyLearningModule:
        """The module that remembers its predictions of each training sample."""
        return EarlyLearningModule(check_supervised(module, self), self)


class EarlyLearningModule(SupervisedModule):
    """The module that :class:`EarlyLearning` trains; it needs a data module, and one device.

    The logged ``train_loss`` has the term; ``val_loss`` and ``test_loss`` have not.

    Args:
        module: Gives network, loss, optimiser, schedule and metric.
        method: Says how strong the term is.
    """

    def __init__(self, module: SupervisedModule, method: EarlyLearning) -> None:
        super().__init__(**module_kwargs(module))
        self.method = method
        # In a tuple, so that the memories are no weights: a checkpoint fits any training data.
        self._regularization: tuple[EarlyLearningRegularization, ...] = ()
        self._indices = IndexTraining()

    def configure_callbacks(self) -> list[pl.Callback]:
        """What tells which samples a batch holds."""
        return [self._indices]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch with the term, whose memories it moves."""
        inputs, target = batch
        batches = self._indices.batches
        if batches is None:
            raise RuntimeError("Expected to be trained by a Trainer, which numbers the samples.")
        output = self(inputs)
        if not self._regularization:
            self._remember(batches.num_samples, output.shape[1])
        index = batches.indices.popleft().to(output.device)
        loss: Tensor = self.loss_fn(output, target) + self._regularization[0](output, index)
        if self.trainer.loggers:
            self.log("train_loss", loss)
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the memories, so that a fit that is resumed goes on with them."""
        if self._regularization:
            checkpoint["early_learning_memory"] = self._regularization[0].memory.cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the memories from the checkpoint."""
        if "early_learning_memory" in checkpoint:
            memory = checkpoint["early_learning_memory"]
            self._remember(*memory.shape).copy_(memory)

    def _remember(self, num_samples: int, num_classes: int) -> Tensor:
        module = EarlyLearningRegularization(
            num_samples, num_classes, self.method.strength, self.method.momentum
        ).to(self.device)
        self._regularization = (module,)
        return module.memory
