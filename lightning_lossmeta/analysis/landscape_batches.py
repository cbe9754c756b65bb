"""Batches as a landscape takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor


def pair_of(batch: Any) -> tuple[Tensor, Tensor]:
    """Inputs and targets of a batch.

    Raises:
        ValueError: If it is no pair of tensors.
    """
    pair = isinstance(batch, (tuple, list)) and len(batch) == 2
    if not pair or not all(isinstance(item, Tensor) for item in batch):
        kinds = [type(item).__name__ for item in batch] if isinstance(batch, (tuple, list)) else ""
        raise ValueError(
            "Expected batches that are pairs of tensors, inputs and targets, for a landscape, got "
            f"{type(batch).__name__}{f' of {kinds}' if kinds else ''}."
        )
    return batch[0], batch[1]


def first_samples(
    batches: Iterable[tuple[Tensor, Tensor]], samples: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """The first samples of batches, as batches.

    Args:
        batches: Pairs of inputs and targets; none is asked for beyond what is needed.
        samples: How many, at least 1; all if there are fewer.
    """
    left = samples
    for inputs, target in batches:
        yield inputs[:left], target[:left]
        left -= len(target)
        if left <= 0:
            return
