"""Train any module with a learned loss."""

from __future__ import annotations

import os
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta._loss_place import USUAL, check_loss_place, put_loss
from lightning_lossmeta.artifacts import LearnedLoss
from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor
from lightning_lossmeta.callbacks.training_progress import TrainingProgress


class InjectLoss(LearningRateFactor):
    """Swaps the ``loss_fn`` of a LightningModule for a learned loss while it is fitted.

    A loss that depends on the training's progress learns of it, as by
    :class:`~lightning_lossmeta.callbacks.training_progress.TrainingProgress`.

    Args:
        path: The JSON file of a learned loss; read at once, so that a bad file fails early.
        learning_rate_factor: Multiplies the module's learning rates, since losses differ in the
            scale of their gradients.
        loss_attribute: The name under which the module has its loss.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtifactError: If the file is no learned loss.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        learning_rate_factor: float = 1.0,
        loss_attribute: str = USUAL,
    ) -> None:
        super().__init__(learning_rate_factor)
        self.loss_attribute = loss_attribute
        self.path = path
        self.loss = LearnedLoss(path)
        self._progress = TrainingProgress()
        self._original: Any = None
        self._swapped = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put the loss in place.

        Raises:
            TypeError: If the module has no such attribute, or its class has it, out of reach.
        """
        super().setup(trainer, pl_module, stage)
        if stage != "fit":
            return
        check_loss_place(pl_module, self.loss_attribute)
        self._original = getattr(pl_module, self.loss_attribute)
        self._swapped = True
        put_loss(pl_module, self.loss_attribute, self.loss)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the loss in place again, where the module's own ``setup`` made another."""
        if self._swapped and getattr(pl_module, self.loss_attribute) is not self.loss:
            self._original = getattr(pl_module, self.loss_attribute)
            put_loss(pl_module, self.loss_attribute, self.loss)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Scale the learning rates, and learn how long the fit is."""
        super().on_train_start(trainer, pl_module)
        self._progress.on_train_start(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Tell the loss how far the fit has come."""
        self._progress.on_train_batch_start(trainer, pl_module, batch, batch_idx)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the module its own loss back."""
        self._restore(pl_module)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Give the module its own loss back: Lightning calls no ``teardown`` then."""
        self._restore(pl_module)

    def _restore(self, module: pl.LightningModule) -> None:
        if self._swapped:
            put_loss(module, self.loss_attribute, self._original)
            self._original, self._swapped = None, False
