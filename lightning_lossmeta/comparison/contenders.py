"""What can be compared: losses, and ways of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytorch_lightning as pl
from torch import nn

from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules.methods import TrainingMethod
from lightning_lossmeta.task import Task

#: A loss that is put into the module as it is, or a method that changes how the module is trained.
Contender = nn.Module | TrainingMethod


@dataclass(frozen=True)
class WrappedModule:
    """Makes a task's module and has a method wrap it.

    Args:
        task: Whose module.
        method: Wraps it.
    """

    task: Task
    method: TrainingMethod

    def __call__(self) -> pl.LightningModule:
        """Make it; the caller has set the seed, as for any factory."""
        module: pl.LightningModule | Callable[[], pl.LightningModule] = self.task.module
        if isinstance(module, pl.LightningModule):
            return self.method.wrap(self.task.fresh_module())
        return self.method.wrap(module())


def loss_of(contender: Contender) -> nn.Module:
    """The loss that a contender trains with."""
    return CrossEntropy() if isinstance(contender, TrainingMethod) else contender


def task_of(contender: Contender, task: Task) -> Task:
    """The task as a contender trains on it."""
    if isinstance(contender, TrainingMethod):
        return replace(task, module=WrappedModule(task, contender))
    return task
