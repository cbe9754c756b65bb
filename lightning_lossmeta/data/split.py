"""Samples in memory, and what must hold of them before a training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Samples in memory.

    Args:
        inputs: (N, ...), float32, normalised.
        targets: (N,), int64 class indices; with label noise, the noisy ones.
        clean: (N,), the labels before noise; ``None`` where no noise was added.
        indices: (N,), int64 positions in the original training file; ``None`` if unknown.

    >>> split = Split(torch.zeros(3, 2), torch.tensor([0, 1, 1]), clean=torch.tensor([0, 1, 0]))
    >>> split.flipped.tolist(), split.take(torch.tensor([2])).clean.tolist()
    ([False, False, True], [0])
    """

    inputs: Tensor
    targets: Tensor
    clean: Tensor | None = None
    indices: Tensor | None = None

    @property
    def flipped(self) -> Tensor:
        """Which labels differ from those before noise, (N,), bool."""
        if self.clean is None:
            return torch.zeros(len(self.targets), dtype=torch.bool, device=self.targets.device)
        return self.targets != self.clean

    def take(self, positions: Tensor) -> Split:
        """Return the samples at these positions of the split."""
        return Split(
            self.inputs[positions],
            self.targets[positions],
            None if self.clean is None else self.clean[positions],
            None if self.indices is None else self.indices[positions],
        )


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples, which share none.

    Args:
        train: The samples to train on.
        val: Scores candidates and chooses learning rates.
        test: Scores what was chosen.
    """

    train: Split
    val: Split
    test: Split

    def named(self) -> Iterator[tuple[str, Split]]:
        """Pair each split with its name."""
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))


def check_labels(targets: Tensor, num_classes: int, what: str) -> None:
    """Refuse labels that are no class indices.

    Args:
        targets: (N,).
        num_classes: How many classes there are.
        what: The words for these labels in the message.

    Raises:
        ValueError: If there are none, or one is no integer in [0, num_classes).

    >>> check_labels(torch.tensor([0, 3]), 3, "the labels of the train split")
    Traceback (most recent call last):
    ValueError: Expected the labels of the train split to be in [0, 3) for 3 classes, got 0 to 3.
    """
    if targets.dim() != 1 or targets.is_floating_point() or targets.dtype == torch.bool:
        raise ValueError(
            f"Expected {what} to be one class index a sample, got {targets.dtype} of shape "
            f"{tuple(targets.shape)}."
        )
    if not len(targets):
        raise ValueError(f"Expected {what} to be at least one, got none.")
    least, most = int(targets.min()), int(targets.max())
    if least < 0 or most >= num_classes:
        raise ValueError(
            f"Expected {what} to be in [0, {num_classes}) for {num_classes} classes, got {least} "
            f"to {most}."
        )


def check_classes(splits: Splits, num_classes: int, owner: str) -> None:
    """Refuse splits that lack a class; targets that are no integers (regression) pass.

    Args:
        splits: The splits to look at.
        num_classes: How many classes there are.
        owner: The words for whose splits they are in the message.

    Raises:
        ValueError: If labels are out of range, or a split lacks a class; names both.
    """
    for name, split in splits.named():
        if split.targets.is_floating_point():
            continue
        check_labels(split.targets, num_classes, f"the labels of the {name} split of {owner}")
        if len(split.targets) < num_classes:
            raise ValueError(
                f"Expected the {name} split of {owner} to hold at least {num_classes} samples, one "
                f"of each class, got {len(split.targets)}. Give it more samples."
            )
        counts = split.targets.long().bincount(minlength=num_classes)
        absent = (counts == 0).nonzero().flatten().tolist()
        if absent:
            raise ValueError(
                f"Expected the {name} split of {owner} to hold every class, but it has no sample "
                f"of class {', '.join(map(str, absent))}. Use a larger split or another "
                "`split_seed`."
            )
