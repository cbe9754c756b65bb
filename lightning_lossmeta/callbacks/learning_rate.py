"""Another learning rate than a module configures."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


class LearningRateFactor(pl.Callback):
    """Multiplies every learning rate that a module configures, its schedule included.

    Losses differ in the scale of their gradients, so each wants a learning rate of its own.

    Args:
        factor: What the learning rates are multiplied by; positive.

    Raises:
        ValueError: If ``factor`` is not positive.
    """

    def __init__(self, factor: float) -> None:
        if not factor > 0:
            raise ValueError(f"Expected argument `factor` to be positive, got {factor!r}.")
        self.factor = factor

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Scale before the first step; a fit resumed from a checkpoint is scaled already."""
        if trainer.ckpt_path is not None:
            return
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                for key in ("lr", "initial_lr", "max_lr", "min_lr"):
                    if key in group:
                        group[key] = group[key] * self.factor
        for config in trainer.lr_scheduler_configs:
            self._scale(config.scheduler)

    def _scale(self, scheduler: Any) -> None:
        """Scale the rates that a schedule remembers, and those of the schedules it is made of."""
        for name in ("base_lrs", "max_lrs", "min_lrs"):
            if hasattr(scheduler, name):
                setattr(scheduler, name, [rate * self.factor for rate in getattr(scheduler, name)])
        if hasattr(scheduler, "eta_min"):
            scheduler.eta_min *= self.factor
        for part in getattr(scheduler, "_schedulers", ()):
            self._scale(part)
