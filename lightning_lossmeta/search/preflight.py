"""Checks before any training: does the loss's place exist, do model and data fit?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta.losses import Identity, LossFunction
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.plain_training import overridden_hook
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import prepared_data

#: What tasks are called that nobody named.
_UNNAMED = ("task", "task0")

#: The class index that counts nothing, as torch has it.
IGNORED = -100


def check_task(task: Task) -> int | None:
    """Check that model and data fit, by one batch and one forward pass.

    Args:
        task: The task; its data module is set up, its module made.

    Returns:
        The class count, or ``None`` where targets are no class indices or batches no pairs.

    Raises:
        TypeError: If the module has no ``loss_fn``.
        ValueError: If the network can't take the inputs, classes of data and model differ, or
            targets lie outside their range.
    """
    with naming(task):
        return _classes(task)


def _classes(task: Task) -> int | None:
    module = task.fresh_module()
    pair = _first_pair(task)
    if pair is None or pair[1].dim() == 0:
        return None
    inputs, target = pair
    if target.is_floating_point():
        if isinstance(module, SupervisedModule):
            _outputs(module, inputs)
        return None
    declared = getattr(task.data, "num_classes", None)
    outputs = _outputs(module, inputs)
    if outputs is not None and _are_binary(outputs, target):
        return None
    if outputs is None or outputs.dim() < 2:
        return declared if isinstance(declared, int) else None
    classes = outputs.shape[1]
    if isinstance(declared, int) and declared != classes:
        raise ValueError(
            f"Expected the module to have as many outputs as the data have classes, got {classes} "
            f"outputs of {type(module).__name__} and {declared} classes of "
            f"{type(task.data).__name__}."
        )
    known = target[target != IGNORED]
    if known.numel() and (int(known.min()) < 0 or int(known.max()) >= classes):
        raise ValueError(
            f"Expected class indices from 0 to {classes - 1}, as {type(module).__name__} has "
            f"{classes} outputs, got targets from {int(known.min())} to {int(known.max())}."
        )
    return classes


def _are_binary(outputs: Tensor, target: Tensor) -> bool:
    """Whether integer targets are labels of one logit, or of several independent ones."""
    return outputs.shape[1:] in ((), (1,)) or outputs.shape[1:] == target.shape[1:]


def check_loss(loss: nn.Module, task: Task, name: str) -> None:
    """Refuse a loss whose link does not fit a task's outputs and targets.

    A softmax over one output is always 1: many a classification loss would train there without an
    error and without a gradient. Losses and modules that are not of this package pass.

    Args:
        loss: The loss to train with.
        task: The task; its data module is set up, its module made.
        name: The loss's name in the message.

    Raises:
        ValueError: If the loss can't be for these targets and outputs; says why.
    """
    with naming(task):
        _check_kind(loss, task, name)


def _check_kind(loss: nn.Module, task: Task, name: str) -> None:
    module, pair = task.fresh_module(), _first_pair(task)
    inner = getattr(loss, "loss", loss)
    plain_step = overridden_hook(type(module), {"training_step"}) is None
    if pair is None or not plain_step or not isinstance(inner, LossFunction):
        return
    outputs = _outputs(module, pair[0])
    if outputs is None:
        return
    target = pair[1][: len(outputs)]
    if inner.link == Identity() and not target.is_floating_point():
        raise ValueError(
            f"Expected a loss for classification, as the targets of {type(task.data).__name__} are "
            f"class indices, got '{name}', which is for regression."
        )
    try:
        inner.link.label(outputs.float(), target)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected a loss that fits the targets of {type(task.data).__name__} and the outputs "
            f"of the network, got '{name}', which is for problem={inner.link.problem!r}. {error}"
        ) from error
    classes = outputs.shape[1] if outputs.dim() > 1 else 1
    if inner.num_classes not in (None, classes):
        raise ValueError(
            f"Expected a loss for {classes} classes, the outputs of the network, got "
            f"'{name}', which is fixed to {inner.num_classes}: take one for any number of classes."
        )


@contextmanager
def naming(task: Task) -> Iterator[None]:
    """Add the task's name to an error of the block, where there may be several tasks."""
    try:
        yield
    except ValueError as error:
        if task.name in _UNNAMED:
            raise
        raise ValueError(f"{error} This is of the task '{task.name}'.") from error


def _first_pair(task: Task) -> tuple[Tensor, Tensor] | None:
    """Inputs and target of the first training batch; ``None`` if batches are no pairs."""
    with isolate_rng():
        batch = next(iter(prepared_data(task).train_dataloader()), None)
    if batch is None:
        raise ValueError(f"Expected {type(task.data).__name__} to give training batches, got none.")
    return (batch[0], batch[1]) if _is_pair(batch) else None


def _is_pair(batch: Any) -> bool:
    return (
        isinstance(batch, (tuple, list))
        and len(batch) == 2
        and all(isinstance(item, Tensor) for item in batch)
    )


def _outputs(module: pl.LightningModule, inputs: Tensor) -> Tensor | None:
    """The module's outputs for two samples; ``None`` if it has no forward pass of its own."""
    if type(module).forward is pl.LightningModule.forward:
        return None
    module.eval()
    try:
        with torch.no_grad(), isolate_rng():
            outputs = module(inputs[:2])
    except RuntimeError as error:
        raise ValueError(
            f"Expected {type(module).__name__} to take inputs of shape {tuple(inputs.shape)} "
            f"(a batch of the data module), got: {error}"
        ) from error
    return outputs if isinstance(outputs, Tensor) else None
