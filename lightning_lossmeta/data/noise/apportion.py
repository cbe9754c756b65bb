"""Exact counts of samples: shares of a whole, class by class."""

from __future__ import annotations

import torch
from torch import Tensor


def apportion(quotas: Tensor, total: int, generator: torch.Generator) -> Tensor:
    """Whole numbers that add up to ``total`` and lie less than one from their quotas.

    The largest-remainder method (Hamilton): every quota is rounded down, and those with the largest
    remainders get one more; the generator breaks ties.

    Args:
        quotas: What each would get, (n,), float64, not negative; their sum is less than one from
            ``total``.
        total: How many there are to share out.
        generator: Draws where quotas tie.

    Returns:
        The whole numbers, (n,), int64.

    >>> apportion(torch.tensor([2.5, 0.3, 1.2]), 4, torch.Generator())
    tensor([3, 0, 1])
    """
    counts = quotas.floor().long()
    order = torch.randperm(len(quotas), generator=generator)
    by_remainder = order[(quotas - counts)[order].argsort(descending=True, stable=True)]
    counts[by_remainder[: total - int(counts.sum())]] += 1
    return counts


def shuffled_by_class(
    targets: Tensor, num_classes: int, generator: torch.Generator
) -> list[Tensor]:
    """For each class the positions of its samples, in an order that the generator draws.

    Args:
        targets: The class index of each sample, (N,), on the CPU.
        num_classes: How many classes there are.
        generator: Draws the order.
    """
    order = torch.randperm(len(targets), generator=generator)
    order = order[targets[order].argsort(stable=True)]
    ends = targets.bincount(minlength=num_classes).cumsum(dim=0)
    return list(order.tensor_split(ends[:-1]))


def stratified(
    targets: Tensor, rate: float, num_classes: int, generator: torch.Generator
) -> Tensor:
    """Positions of exactly ``round(rate * N)`` samples, of each class as many as its share.

    Args:
        targets: The class index of each sample, (N,), on the CPU.
        rate: The share of all samples, in [0, 1).
        num_classes: How many classes there are.
        generator: Draws the samples.

    Returns:
        Positions, of each class within one sample of ``rate`` times its size.
    """
    members = shuffled_by_class(targets, num_classes, generator)
    sizes = torch.tensor([len(part) for part in members], dtype=torch.float64)
    counts = apportion(rate * sizes, round(rate * len(targets)), generator)
    return torch.cat([part[:count] for part, count in zip(members, counts.tolist(), strict=True)])


def check_rate(rate: float) -> None:
    """Refuse what is no share of labels.

    Raises:
        ValueError: If ``rate`` is no number in [0, 1).

    >>> check_rate(1.5)
    Traceback (most recent call last):
    ValueError: Expected argument `rate` to be in [0, 1), got 1.5.
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(f"Expected argument `rate` to be in [0, 1), got {rate!r}.")
