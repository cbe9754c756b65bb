"""A part of the samples with as many of each class as can be."""

from __future__ import annotations

import torch
from torch import Tensor


def balanced_subset(targets: Tensor, count: int, seed: int) -> Tensor:
    """Positions of samples chosen by a seed, as many of each class as can be.

    All samples are shuffled, and then taken in rounds: the first of each class, the second of each
    class, and so on. A class that runs out leaves its share to the others. Targets that are no
    class indices, one a sample, are shuffled alone.

    Args:
        targets: (N,) integers, or whatever a regression has.
        count: How many; all if there are fewer.
        seed: Chooses them; equal seeds choose the same, and a larger count chooses more besides.

    Returns:
        The positions, (min(count, N),), int64, on the device of the targets.

    >>> labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 2])
    >>> labels[balanced_subset(labels, 6, seed=0)].bincount()
    tensor([4, 1, 1])
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(targets), generator=generator).to(targets.device)
    if targets.dim() == 1 and not targets.is_floating_point():
        order = order[_rank_within_class(targets[order]).argsort(stable=True)]
    return order[:count]


def _rank_within_class(labels: Tensor) -> Tensor:
    """For each sample how many of its class stand before it."""
    by_class = labels.argsort(stable=True)
    ordered = labels[by_class]
    ranks = torch.empty_like(by_class)
    first = torch.searchsorted(ordered, ordered)
    ranks[by_class] = torch.arange(len(labels), device=labels.device) - first
    return ranks
