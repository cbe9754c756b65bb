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
from lightning_lossmeta.data.episodes import EpisodeData
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import prepared_data


class SeededLoaders:
    """Stacks the batches that fits with several seeds would see.

    Args:
        loaders: A loader for each seed, all over as many samples, in batches of one size.
        seeds: The seed of each fit.
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
        """Give an epoch of one seed; its loader draws from a generator state of the seed's own."""
        with isolate_rng():
            torch.set_rng_state(self._states[number])
            batches = iter(self.loaders[number])
            first = next(batches)  # the order of an epoch is drawn here
            self._states[number] = torch.get_rng_state()
        return chain([first], batches)


def seeded_view(tasks: Sequence[Task]) -> pl.LightningDataModule:
    """Put the data of tasks that differ in their seeds alone side by side.

    Training batches have a leading axis of as many as there are tasks. So have validation batches
    of data that a seed draws; those of other data are the same for all seeds.

    Args:
        tasks: The tasks, at least one.
    """
    view: Any = prepared_data(tasks[0])
    views = [prepared_data(task) for task in tasks]
    seeds = [task.seed for task in tasks]
    view.train_dataloader = lambda: SeededLoaders([v.train_dataloader() for v in views], seeds)
    if validates_by_seed(tasks[0]):
        view.val_dataloader = lambda: SeededLoaders([v.val_dataloader() for v in views], seeds)
    return view  # type: ignore[no-any-return]


def validates_by_seed(task: Task) -> bool:
    """Whether the seed of a task also draws what its fits are scored on."""
    return isinstance(task.data, EpisodeData)


def seeds_can_share(task: Task) -> bool:
    """Whether fits that differ in their seed differ in initial weights and batches alone.

    Not where the network draws random numbers (dropout), the data module changes batches on the
    device (augmentation), or batches come from a loader of another kind: a stack has one stream of
    random numbers.

    Args:
        task: A task whose module can be stacked.
    """
    data: Any = prepared_data(task)
    changed = type(data).on_after_batch_transfer
    untouched = changed is pl.LightningDataModule.on_after_batch_transfer or (
        changed is ImageDataModule.on_after_batch_transfer and data.augment is None
    )
    if not untouched:
        return False
    try:
        loader = data.train_dataloader()
    except (AttributeError, RuntimeError):  # one that asks its trainer, which it has in a fit alone
        return False
    if not isinstance(loader, BatchLoader):
        return False
    module = task.fresh_module()
    if not isinstance(module, SupervisedModule):
        return False
    module.network.train()
    with isolate_rng(), torch.no_grad():
        inputs, _ = next(iter(loader))
        before = torch.get_rng_state()
        module.network(inputs[:2])
        return torch.equal(before, torch.get_rng_state())
