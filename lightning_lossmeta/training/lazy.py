"""Modules with lazy layers, as ``nn.LazyLinear``, whose sizes are those of their first inputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor
from torch.nn.parameter import is_lazy

from lightning_lossmeta.task import Task, draw_weights
from lightning_lossmeta.training.data_view import prepared_data


@dataclass(frozen=True)
class SizedModule:
    """Makes a module and shows it inputs, by which its lazy layers get their sizes and weights.

    Args:
        module: As of a task.
        inputs: A few samples.
    """

    module: pl.LightningModule | Callable[[], pl.LightningModule]
    inputs: Tensor

    def __call__(self) -> pl.LightningModule:
        """Make the module; the caller has set the seed, as for any factory."""
        if isinstance(self.module, pl.LightningModule):
            module = copy.deepcopy(self.module)
            draw_weights(module)
        else:
            module = self.module()
        training = module.training
        module.eval()
        with torch.no_grad():
            module(self.inputs)
        return module.train(training)


def sized(task: Task) -> Task:
    """A task whose modules have no lazy layers left; the task itself if they have none.

    Args:
        task: Its data can be set up.

    Raises:
        ValueError: If batches do not begin with a tensor of inputs, or the module has no forward
            pass that takes them.
    """
    if not has_lazy_layers(task.fresh_module()):
        return task
    kind = type(task.fresh_module())
    with isolate_rng():
        batch = next(iter(prepared_data(task).train_dataloader()))
    inputs = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(inputs, Tensor) or kind.forward is pl.LightningModule.forward:
        raise ValueError(
            f"Expected {kind.__name__}, which has lazy layers, to have a `forward` that takes the "
            "first item of a batch, by which the layers get their sizes: give the sizes instead."
        )
    return replace(task, module=SizedModule(task.module, inputs[:2].clone()))


def has_lazy_layers(module: pl.LightningModule) -> bool:
    """Whether some weights have no size yet."""
    return any(map(is_lazy, (*module.parameters(), *module.buffers())))
