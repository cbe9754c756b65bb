"""Checks before any training: does the loss's place exist, do model and data fit?"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from lightning_lossmeta.evaluators.session import prepared_data
from lightning_lossmeta.task import Task


def check_task(task: Task) -> int | None:
    """Look at one batch and one forward pass.

    Args:
        task: Its data module is set up, its module made.

    Returns:
        The class count, or ``None`` where targets are no class indices or batches no pairs.

    Raises:
        TypeError: If the module has no ``loss_fn``.
        ValueError: If classes of data and model differ, or targets lie outside their range.
    """
    module = task.fresh_module()
    with isolate_rng():
        data = prepared_data(task)
        batch = next(iter(data.train_dataloader()), None)
    if batch is None:
        raise ValueError(f"Expected {type(task.data).__name__} to give training batches, got none.")
    if not _is_pair(batch):
        return None
    inputs, target = batch
    if target.is_floating_point() or target.dim() == 0:
        return None
    declared = getattr(task.data, "num_classes", None)
    low, high = int(target.min()), int(target.max())
    outputs = _outputs(module, inputs)
    if outputs is None or outputs.dim() < 2:
        return declared if isinstance(declared, int) else None
    classes = outputs.shape[1]
    if isinstance(declared, int) and declared != classes:
        raise ValueError(
            f"Expected the module to have as many outputs as the data have classes, got {classes} "
            f"outputs of {type(module).__name__} and {declared} classes of "
            f"{type(task.data).__name__}."
        )
    if low < 0 or high >= classes:
        raise ValueError(
            f"Expected class indices from 0 to {classes - 1}, as {type(module).__name__} has "
            f"{classes} outputs, got targets from {low} to {high}."
        )
    return classes


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
