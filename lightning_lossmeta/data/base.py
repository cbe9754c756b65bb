"""The data module that the others are made of: tensors in memory, split by a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from lightning_lossmeta.checks import check_at_least
from lightning_lossmeta.data.loader import BatchLoader


@dataclass(frozen=True)
class Split:
    """Samples in memory.

    Args:
        inputs: (N, ...), float32, normalised.
        targets: (N,), int64 class indices.
    """

    inputs: Tensor
    targets: Tensor

    def take(self, indices: Tensor) -> Split:
        """The samples at these positions."""
        return Split(self.inputs[indices], self.targets[indices])


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples, which share none.

    Args:
        train: Trained on.
        val: Scores candidates and chooses learning rates.
        test: Scores what was chosen.
    """

    train: Split
    val: Split
    test: Split


class TensorDataModule(pl.LightningDataModule, ABC):
    """Small data in memory, batched by index without workers.

    A subclass writes :meth:`load` and sets the attributes.

    Args:
        batch_size: Of training.
        eval_batch_size: Of validation, test and prediction.
        train_size: Keep this many training samples, class-balanced, chosen by ``split_seed``;
            ``None`` keeps all.
        split_seed: Decides which sample is in which split.

    Raises:
        ValueError: If a number is out of its range.

    Attributes:
        num_classes: How many classes there are.
        mean: What was subtracted of pixels in [0, 1], by channel.
        std: What they were divided by, by channel.
    """

    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(
        self,
        batch_size: int = 100,
        eval_batch_size: int = 2000,
        train_size: int | None = None,
        split_seed: int = 0,
    ) -> None:
        super().__init__()
        check_at_least(1, batch_size=batch_size, eval_batch_size=eval_batch_size)
        if train_size is not None:
            check_at_least(1, train_size=train_size)
        check_at_least(0, split_seed=split_seed)
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.train_size = train_size
        self.split_seed = split_seed
        self._splits: Splits | None = None

    @abstractmethod
    def load(self) -> Splits:
        """Read the data; called once."""

    @property
    def splits(self) -> Splits:
        """The data, read when first asked for.

        Raises:
            ValueError: If ``train_size`` is more than there is.
        """
        if self._splits is None:
            splits = self.load()
            size = len(splits.train.targets)
            if self.train_size is not None and self.train_size > size:
                raise ValueError(
                    f"Expected argument `train_size` to be at most {size}, the training samples of "
                    f"{type(self).__name__}, got {self.train_size}."
                )
            if self.train_size is not None and self.train_size < size:
                loader = BatchLoader(splits.train.inputs, splits.train.targets, self.batch_size)
                kept = loader.subset(self.train_size, self.split_seed)
                splits = Splits(Split(kept.inputs, kept.targets), splits.val, splits.test)
            self._splits = splits
        return self._splits

    def setup(self, stage: str | None = None) -> None:
        """Read the data, if they were not."""
        _ = self.splits

    def __getstate__(self) -> dict[str, Any]:
        """Without the tensors, which another process reads itself, and the Trainer of a fit."""
        state = {**self.__dict__, "_splits": None, "trainer": None}
        state.pop("_lossmeta_stages", None)  # another process has to set up again
        return state

    def __copy__(self) -> TensorDataModule:
        """Share the tensors, unlike a pickle."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the training split; the last, incomplete one is left out."""
        train = self.splits.train
        return BatchLoader(train.inputs, train.targets, self.batch_size, True, drop_last=True)

    def val_dataloader(self) -> BatchLoader:
        """The validation split in order."""
        return self._in_order(self.splits.val)

    def test_dataloader(self) -> BatchLoader:
        """The test split in order."""
        return self._in_order(self.splits.test)

    def predict_dataloader(self) -> BatchLoader:
        """The test split in order."""
        return self._in_order(self.splits.test)

    def _in_order(self, split: Split) -> BatchLoader:
        return BatchLoader(split.inputs, split.targets, self.eval_batch_size)
