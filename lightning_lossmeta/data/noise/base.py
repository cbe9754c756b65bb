"""What label noise is: new labels out of old ones, by a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.split import Split, Splits, check_labels


class LabelNoise(HasExample, ABC):
    """Corrupts labels; a function of the data and the seed alone.

    A subclass writes :meth:`corrupt`, and draws from a generator of its own: the global ones stay
    as they are. One that needs arguments also overrides :meth:`example`, by which tests make it.
    """

    @abstractmethod
    def corrupt(self, split: Split, num_classes: int, seed: int) -> Tensor:
        """Draw the new labels.

        Args:
            split: The samples, whose labels are class indices; it must not be changed.
            num_classes: How many classes there are, at least 2.
            seed: The seed of all that is drawn.

        Returns:
            The new labels, (N,), int64, on any device.
        """

    def check(self, splits: Splits, num_classes: int) -> None:
        """Refuse data that this noise is not for, before samples are left out.

        Args:
            splits: All samples that were read.
            num_classes: How many classes there are.

        Raises:
            ValueError: If the targets are no class indices.
        """
        for name, split in splits.named():
            check_labels(split.targets, num_classes, f"the labels of the {name} split")

    def apply(self, split: Split, num_classes: int, seed: int) -> Split:
        """Return the split with noisy labels, and the old ones beside them.

        Labels that are noisy already get further noise, and ``clean`` stays what it was.

        Args:
            split: The samples whose labels are corrupted; it stays as it is.
            num_classes: How many classes there are.
            seed: Equal seeds give equal labels.

        Raises:
            ValueError: If the labels before are no class indices.
            RuntimeError: If those that :meth:`corrupt` made are none, or not as many.
        """
        check_at_least(2, num_classes=num_classes)
        check_at_least(0, seed=seed)
        check_labels(split.targets, num_classes, "the labels that noise is added to")
        before = split.targets.clone()
        targets = self.corrupt(split, num_classes, seed)
        name = type(self).__name__
        if targets is split.targets or not before.equal(split.targets):
            raise RuntimeError(f"Expected {name} to make new labels, but it changed the old ones.")
        if targets.shape != before.shape:
            raise RuntimeError(
                f"Expected {name} to make {len(before)} labels, got {tuple(targets.shape)}."
            )
        try:
            check_labels(targets, num_classes, f"what {name} makes")
        except ValueError as error:
            raise RuntimeError(str(error)) from error
        clean = before if split.clean is None else split.clean
        return Split(split.inputs, targets.to(before), clean, split.indices)
