"""How far a fit has come, for losses that depend on it."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta.losses.progress_dependent import depends_on_progress, set_progress


class TrainingProgress(pl.Callback):
    """Tells progress-dependent losses in the module how far the training has come.

    It sets the progress of every
    :class:`~lightning_lossmeta.losses.progress_dependent.ProgressDependentLoss`.
    Before each training batch, with the steps of ``max_steps`` or ``max_epochs``, whichever ends
    the fit first ::

        t = min(1, trainer.global_step / steps)

    that is, 0 in the first step and (steps - 1) / steps in the last. It stands still while
    gradients are accumulated, and goes on where a fit is resumed from a checkpoint. Modules
    without such a loss are left alone.
    """

    def __init__(self) -> None:
        self._steps: float | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Learn how many steps are planned.

        Raises:
            ValueError: If the fit has no known end, so that there is no share of its steps.
        """
        self._steps = planned_steps(trainer) if depends_on_progress(pl_module) else None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the progress of the module's losses to the share of steps that are done."""
        if self._steps is not None:
            set_progress(pl_module, min(1.0, trainer.global_step / self._steps))


def planned_steps(trainer: pl.Trainer) -> float:
    """The optimiser steps of a whole fit.

    Raises:
        ValueError: If they are not known.
    """
    steps = trainer.estimated_stepping_batches
    if not 0 < steps < math.inf:
        raise ValueError(
            "Expected a Trainer with `max_steps`, or with `max_epochs` and data of known length, "
            "for a loss that depends on the training's progress, got a fit without a known end."
        )
    return steps
