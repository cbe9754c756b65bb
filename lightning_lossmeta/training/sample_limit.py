"""Fewer training samples for an inner fit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset, TensorDataset


def limit_samples(loader: Any, count: int, seed: int) -> Any:
    """A loader over ``count`` of a loader's samples, chosen by the seed, shuffled each epoch.

    As many of each class are taken as can be, where the data set says its labels (an attribute
    ``targets``, or the last tensor of a ``TensorDataset``).

    Args:
        loader: One with a method ``subset(count, seed)``, as in this package, or a ``DataLoader``
            over a data set with a length.
        count: How many; all if there are fewer.
        seed: Chooses them.

    Raises:
        TypeError: If the loader is neither, or batches by a sampler of its own.
    """
    if hasattr(loader, "subset"):
        return loader.subset(count, seed)
    if not isinstance(loader, DataLoader) or not hasattr(loader.dataset, "__len__"):
        raise TypeError(
            "Expected train_dataloader() to give a DataLoader over a data set with a length, to "
            f"limit its samples by `train_samples`, got {type(loader).__name__}."
        )
    if loader.batch_size is None:
        raise TypeError(
            "Expected train_dataloader() to give a DataLoader with a `batch_size`, to limit its "
            "samples by `train_samples`, got one with a `batch_sampler` or without batches."
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(loader.dataset), generator=generator)
    labels = _labels(loader.dataset)
    if labels is not None:
        order = order[_rank_within_class(labels[order]).argsort(stable=True)]
    chosen = order[:count].tolist()
    return DataLoader(
        Subset(loader.dataset, chosen),
        batch_size=loader.batch_size,
        shuffle=True,
        drop_last=loader.drop_last and len(chosen) >= loader.batch_size,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        persistent_workers=loader.persistent_workers,
    )


def _labels(dataset: Any) -> Tensor | None:
    """Class indices (N,) of a data set, if it has some at hand."""
    found = getattr(dataset, "targets", None)
    if found is None and isinstance(dataset, TensorDataset):
        found = dataset.tensors[-1]
    if found is None or len(found) != len(dataset):
        return None
    labels = torch.as_tensor(found)
    return labels if labels.dim() == 1 and not labels.is_floating_point() else None


def _rank_within_class(labels: Tensor) -> Tensor:
    """For each sample how many of its class stand before it."""
    by_class = labels.argsort(stable=True)
    ordered = labels[by_class].contiguous()
    ranks = torch.empty_like(by_class)
    ranks[by_class] = torch.arange(len(labels)) - torch.searchsorted(ordered, ordered)
    return ranks
