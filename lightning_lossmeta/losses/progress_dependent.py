"""Losses that change in the course of a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lightning_lossmeta.losses.base import LossFunction, Reduction
from lightning_lossmeta.losses.checks import check_interval


class ProgressDependentLoss(LossFunction):
    """A loss that also depends on how far a training has come.

    Subclasses write :meth:`per_sample` with ``self.progress`` as one more argument ::

        t = optimiser steps done / optimiser steps planned,   in [0, 1]

    It is a number (), 0 in the first step and wherever nobody sets it. In a Lightning fit the
    callback :class:`~lightning_lossmeta.callbacks.training_progress.TrainingProgress` does, in a
    loop of one's own :func:`set_progress`. What only looks at a loss uses :func:`at_progress`.

    Args:
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.

    Source: Raymond et al. (2024), section 6, who leave it as future work.

    >>> class Fading(ProgressDependentLoss):
    ...     def per_sample(self, output, target):
    ...         error = torch.nn.functional.cross_entropy(output, target, reduction="none")
    ...         return (1 - self.progress.to(output.dtype)) * error
    >>> loss = Fading()
    >>> set_progress(loss, 0.75)
    >>> loss(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.1733)
    """

    progress: Tensor

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        register_progress(self)


def register_progress(loss: LossFunction) -> None:
    """Give a loss the number ``progress`` (), which makes it one that depends on it."""
    loss.has_progress = True
    loss.register_buffer("progress", torch.zeros((), dtype=torch.float64), persistent=False)


def set_progress(module: nn.Module, value: float) -> None:
    """Set how far the training has come, for every loss inside a module that depends on it.

    Args:
        module: A loss, or what holds losses, alone or stacked; values are changed in place.
        value: t, e.g. ``step / steps``.

    Raises:
        ValueError: If ``value`` is not in [0, 1].
    """
    check_interval("value", value, 0, 1)
    with torch.no_grad():
        for progress in _progress_tensors(module):
            progress.fill_(value)


@contextmanager
def at_progress(module: nn.Module, value: float) -> Iterator[None]:
    """Look at losses as they are at one moment of a training, and leave them as they were.

    Within the context :func:`set_progress` may move on; at its end, also after an error, each loss
    gets back the progress that it had.

    Args:
        module: A loss, or what holds losses, alone or stacked.
        value: t, in [0, 1].

    Raises:
        ValueError: If ``value`` is not in [0, 1].
    """
    before = [progress.clone() for progress in _progress_tensors(module)]
    try:
        set_progress(module, value)
        yield
    finally:
        with torch.no_grad():
            for progress, former in zip(_progress_tensors(module), before, strict=True):
                progress.copy_(former)


def depends_on_progress(module: nn.Module) -> bool:
    """Whether a loss inside a module depends on the progress of its training."""
    return any(True for _ in _progress_tensors(module))


def _progress_tensors(module: nn.Module) -> Iterator[Tensor]:
    """The progress of each loss that depends on it, (), and of each stacked group, (C,)."""
    for part in module.modules():
        if _has_progress(part):
            yield part.get_buffer("progress")
        # StackedLosses keep one loss of each group beside the buffers of all: see there.
        for number, loss in enumerate(getattr(part, "_skeletons", ())):
            for position, (name, _) in enumerate(loss.named_buffers()):
                path, _, last = name.rpartition(".")
                if last == "progress" and _has_progress(loss.get_submodule(path)):
                    yield getattr(part, f"group{number}_{position}")


def _has_progress(module: nn.Module) -> bool:
    return isinstance(module, LossFunction) and module.has_progress
