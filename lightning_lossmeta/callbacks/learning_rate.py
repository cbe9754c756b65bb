"""Another learning rate than a module configures."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


class LearningRateFactor(pl.Callback):
    """Multiplies every learning rate that a module configures, its schedule included.

    Losses differ in the scale of their gradients, so each wants a learning rate of its own. A fit
    that goes on from a checkpoint has the rates of the checkpoint, which says by what they were
    multiplied: they are multiplied by what is missing.

    Args:
        factor: What the learning rates are multiplied by; positive.

    Raises:
        ValueError: If ``factor`` is not positive.
    """

    def __init__(self, factor: float) -> None:
        if not factor > 0:
            raise ValueError(f"Expected argument `factor` to be positive, got {factor!r}.")
        self.factor = factor
        self._done = 1.0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Forget what an earlier fit went on from."""
        self._done = 1.0

    def state_dict(self) -> dict[str, Any]:
        """What the rates in a checkpoint were multiplied by."""
        return {"factor": self.factor}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take note of it; a checkpoint of a fit without this callback has no such state."""
        self._done = state_dict["factor"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Scale before the first step."""
        factor = self.factor / self._done
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                for key in ("lr", "initial_lr", "max_lr", "min_lr"):
                    if key in group:
                        group[key] = group[key] * factor
        for config in trainer.lr_scheduler_configs:
            _scale(config.scheduler, factor)


def _scale(scheduler: Any, factor: float) -> None:
    """Scale the rates that a schedule remembers, and those of the schedules it is made of."""
    for name in ("base_lrs", "max_lrs", "min_lrs"):
        if hasattr(scheduler, name):
            setattr(scheduler, name, [rate * factor for rate in getattr(scheduler, name)])
    if hasattr(scheduler, "eta_min"):
        scheduler.eta_min *= factor
    for part in getattr(scheduler, "_schedulers", ()):
        _scale(part, factor)
