"""Batches out of tensors in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.balanced import balanced_subset

Batch = tuple[Tensor, Tensor]


class BatchLoader:
    """Yields batches of two tensors by index: for small data cheaper than a ``DataLoader``.

    Each epoch draws one number from PyTorch's global generator, as ``DataLoader`` does, and its
    permutation from that: a seed set before a fit fixes its batches.

    Args:
        inputs: (N, ...).
        targets: (N, ...).
        batch_size: Samples a batch.
        shuffle: Whether each epoch has an order of its own.
        drop_last: Whether to leave out an incomplete batch.

    Raises:
        ValueError: If the tensors differ in length, are empty, or ``batch_size`` is below 1.

    >>> [len(x) for x, y in BatchLoader(torch.zeros(5, 2), torch.zeros(5), batch_size=2)]
    [2, 2, 1]
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
    ) -> None:
        if len(inputs) != len(targets) or not len(inputs):
            raise ValueError(
                "Expected `inputs` and `targets` to hold the same number of samples, at least one, "
                f"got {len(inputs)} and {len(targets)}."
            )
        check_at_least(1, batch_size=batch_size)
        self.inputs = inputs
        self.targets = targets
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last and len(inputs) >= batch_size

    def __len__(self) -> int:
        whole, rest = divmod(len(self.inputs), self.batch_size)
        return whole + bool(rest and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        inputs, targets = self.inputs, self.targets
        if self.shuffle:
            seed = int(torch.empty((), dtype=torch.int64).random_())
            generator = torch.Generator().manual_seed(seed)
            order = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        for index in range(len(self)):
            part = slice(index * self.batch_size, (index + 1) * self.batch_size)
            if self.shuffle:
                chosen = order[part]
                yield inputs.index_select(0, chosen), targets.index_select(0, chosen)
            else:
                # Copies: what is done to a batch in place must not reach the data.
                yield inputs[part].clone(), targets[part].clone()

    def subset(self, count: int, seed: int) -> BatchLoader:
        """A loader over ``count`` samples, chosen by the seed, as many of each class as can be.

        Args:
            count: How many; all if there are fewer.
            seed: Chooses the samples.
        """
        chosen = balanced_subset(self.targets, count, seed)
        return BatchLoader(
            self.inputs[chosen], self.targets[chosen], self.batch_size, self.shuffle, self.drop_last
        )
