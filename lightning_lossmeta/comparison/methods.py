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
Method = nn.Module | TrainingMethod


@dataclass(frozen=True)
class WrappedModule:
    """Makes a task's module and has a method wrap it.

    Args:
        task: The task whose module is made.
        method: The training method that wraps the module.
    """

    task: Task
    method: TrainingMethod

    def __call__(self) -> pl.LightningModule:
        """Make the wrapped module; the caller has set the seed, as for any factory."""
        module: pl.LightningModule | Callable[[], pl.LightningModule] = self.task.module
        if isinstance(module, pl.LightningModule):
            return self.method.wrap(self.task.fresh_module())
        return self.method.wrap(module())


def loss_of(method: Method) -> nn.Module:
    """The loss that a method trains with."""
    return CrossEntropy() if isinstance(method, TrainingMethod) else method


def task_of(method: Method, task: Task) -> Task:
    """The task as a method trains on it."""
    if isinstance(method, TrainingMethod):
        return replace(task, module=WrappedModule(task, method))
    return task
