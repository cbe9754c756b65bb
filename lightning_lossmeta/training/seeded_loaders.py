"""Batches of several seeds side by side, each those of a fit with that seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from lightning_lossmeta.data import BatchLoader, ImageDataModule
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.session import prepared_data


class SeededLoaders:
    """Stacks the batches that fits with several seeds would see.

    Args:
        loaders: One a seed, over as many samples, in batches of one size.
        seeds: What each fit would be seeded with.
    """

    def __init__(self, loaders: Sequence[BatchLoader], seeds: Sequence[int]) -> None:
        self.loaders = loaders
        self._states = [torch.Generator().manual_seed(seed).get_state() for seed in seeds]

    def __len__(self) -> int:
        return len(self.loaders[0])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        streams = [self._stream(number) for number in range(len(self.loaders))]
        for batches in zip(*streams, strict=True):
            inputs, targets = zip(*batches, strict=True)
            yield torch.stack(inputs), torch.stack(targets)

    def _stream(self, number: int) -> Iterator[Any]:
        """An epoch of one seed; the global generator is lent to it for what it draws."""
        with isolate_rng():
            torch.set_rng_state(self._states[number])
            batches = iter(self.loaders[number])
            first = next(batches)  # the order of an epoch is drawn here
            self._states[number] = torch.get_rng_state()
        return chain([first], batches)


def seeded_loaders(tasks: Sequence[Task]) -> SeededLoaders:
    """The training batches of tasks that differ in their seeds alone."""
    loaders = [prepared_data(task).train_dataloader() for task in tasks]
    return SeededLoaders(loaders, [task.seed for task in tasks])


def seeds_can_share(task: Task) -> bool:
    """Whether fits that differ in their seed differ in initial weights and batches alone.

    Not where the network draws random numbers (dropout), the data module changes batches on the
    device (augmentation), or batches come from a loader of another kind: a stack has one stream of
    random numbers.

    Args:
        task: With a module that can be stacked.
    """
    data: Any = prepared_data(task)
    changed = type(data).on_after_batch_transfer
    untouched = changed is pl.LightningDataModule.on_after_batch_transfer or (
        changed is ImageDataModule.on_after_batch_transfer and data.augment is None
    )
    loader = data.train_dataloader()
    if not untouched or not isinstance(loader, BatchLoader):
        return False
    module = task.fresh_module()
    assert isinstance(module, SupervisedModule)
    module.network.train()
    with isolate_rng(), torch.no_grad():
        inputs, _ = next(iter(loader))
        before = torch.get_rng_state()
        module.network(inputs[:2])
        return torch.equal(before, torch.get_rng_state())
