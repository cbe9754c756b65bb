"""How long a fit trains, without its validations."""

from __future__ import annotations

import time

import pytorch_lightning as pl
import torch

from lightning_lossmeta.modules.networks import networks_of

#: The name of what is logged.
TRAINING_SECONDS = "training_seconds"


class TrainingSeconds(pl.Callback):
    """Logs ``training_seconds`` at each validation: wall time since the fit began, validations not.

    Of a stack of networks each has its share.
    """

    def __init__(self) -> None:
        self._trained = 0.0
        self._since: float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        self._trained, self._since = 0.0, time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop while networks are scored."""
        if self._since is not None:
            self._trained += time.perf_counter() - self._since
            self._since = None

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the time."""
        networks = networks_of(pl_module)
        share = torch.full((networks.count,), self._trained / networks.count)
        networks.log(TRAINING_SECONDS, share.to(pl_module.device))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count on, if the fit goes on."""
        if trainer.state.fn == "fit":
            self._since = time.perf_counter()
