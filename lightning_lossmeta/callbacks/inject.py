"""Train any module with a learned loss."""

from __future__ import annotations

import os
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta.artifacts import LearnedLoss
from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor


class InjectLoss(LearningRateFactor):
    """Swaps the ``loss_fn`` of a LightningModule for a learned loss while it is fitted.

    Args:
        path: The JSON file of a learned loss; read at once, so that a bad file fails early.
        learning_rate_factor: Multiplies the module's learning rates, since losses differ in the
            scale of their gradients.

    Raises:
        FileNotFoundError: If there is no such file.
        ArtifactError: If the file is no learned loss.
    """

    def __init__(
        self, path: str | os.PathLike[str], learning_rate_factor: float = 1.0
    ) -> None:
        super().__init__(learning_rate_factor)
        self.path = path
        self.loss = LearnedLoss(path)
        self._original: Any = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put the loss in place.

        Raises:
            TypeError: If the module has no ``loss_fn``.
        """
        if stage != "fit":
            return
        if not hasattr(pl_module, "loss_fn"):
            raise TypeError(
                f"Expected {type(pl_module).__name__} to have an attribute `loss_fn` for InjectLoss."
            )
        self._original = pl_module.loss_fn
        _put(pl_module, self.loss)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the module its own loss back."""
        if stage == "fit":
            _put(pl_module, self._original)


def _put(module: pl.LightningModule, loss: Any) -> None:
    # A module may hold a function or an nn.Module there; nn.Module refuses to replace one by other.
    if "loss_fn" in module._modules:
        del module._modules["loss_fn"]
    module.__dict__.pop("loss_fn", None)
    module.loss_fn = loss
