"""Fewer training samples for an inner fit."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader, Subset


def limit_samples(loader: Any, count: int, seed: int) -> Any:
    """A loader over ``count`` of a loader's samples, chosen by the seed.

    Args:
        loader: One with a method ``subset(count, seed)``, as in this package, or a ``DataLoader``
            over a data set with a length.
        count: How many; all if there are fewer.
        seed: Chooses them.

    Raises:
        TypeError: If the loader is neither.
    """
    if hasattr(loader, "subset"):
        return loader.subset(count, seed)
    if not isinstance(loader, DataLoader) or not hasattr(loader.dataset, "__len__"):
        raise TypeError(
            "Expected train_dataloader() to give a DataLoader over a data set with a length, to "
            f"limit its samples by `images`, got {type(loader).__name__}."
        )
    size = len(loader.dataset)  # type: ignore[arg-type]
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return DataLoader(
        Subset(loader.dataset, order[:count].tolist()),
        batch_size=loader.batch_size,
        shuffle=True,
        drop_last=loader.drop_last,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
    )
