"""The data module that the others are made of: tensors in memory, split by a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lightning_lossmeta._fingerprint import Walk, describe_data_module, describe_value
from lightning_lossmeta._seeds import LabelPurpose, check_seed, derived_seed
from lightning_lossmeta.data.loader import BatchLoader
from lightning_lossmeta.data.module import BatchedDataModule
from lightning_lossmeta.data.noise.base import LabelNoise
from lightning_lossmeta.data.split import Split, Splits, check_classes

__all__ = ["Split", "Splits", "TensorDataModule"]


class TensorDataModule(BatchedDataModule, ABC):
    """Small data in memory, batched by index without workers.

    A subclass writes :meth:`load` and sets the attributes. Arguments of its own come first, and it
    hands on the others as ``**kwargs``.

    Args:
        batch_size: How many samples a batch of training has.
        eval_batch_size: How many samples a batch of validation, test and prediction has.
        train_size: Keep this many training samples, class-balanced, chosen by ``split_seed``;
            ``None`` keeps all.
        split_seed: Decides which sample is in which split.
        noise: Corrupts the labels of the kept training samples; ``None`` leaves them.
        noise_seed: Decides which labels change, and to what.
        noisy_validation: Whether validation labels are corrupted too, by a seed of their own.
            Those of the test split never are.

    Raises:
        ValueError: If a number is out of its range, or ``noise`` is none.

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
        noise: LabelNoise | None = None,
        noise_seed: int = 0,
        noisy_validation: bool = False,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, train_size, split_seed)
        check_seed(noise_seed=noise_seed)
        if noise is not None and not isinstance(noise, LabelNoise):
            raise ValueError(
                f"Expected argument `noise` to be a LabelNoise or None, got {noise!r}."
            )
        self.noise = noise
        self.noise_seed = noise_seed
        self.noisy_validation = noisy_validation
        self._splits: Splits | None = None

    @abstractmethod
    def load(self) -> Splits:
        """Read the data: what a subclass writes. It is called once."""

    @property
    def splits(self) -> Splits:
        """The data, read when first asked for: read, made smaller, then corrupted.

        Raises:
            ValueError: If ``train_size`` is more than there is, a split lacks a class, a label is
                out of range, or the noise is not for these data.
        """
        if self._splits is None:
            splits = self.load()
            if self.noise is not None:
                self.noise.check(splits, self.num_classes)
            splits = Splits(self._kept(splits.train), splits.val, splits.test)
            check_classes(splits, self.num_classes, type(self).__name__)
            self._splits = self._noisy(splits)
        return self._splits

    def _kept(self, train: Split) -> Split:
        """Keep ``train_size`` of the training samples."""
        kept = self._kept_positions(train.targets, f"the training samples of {type(self).__name__}")
        return train if kept is None else train.take(kept)

    def _noisy(self, splits: Splits) -> Splits:
        """Corrupt the training labels, and those of validation if asked for."""
        if self.noise is None:
            return splits
        seed = derived_seed(self.noise_seed, LabelPurpose.TRAIN)
        train = self.noise.apply(splits.train, self.num_classes, seed)
        val = splits.val
        if self.noisy_validation:
            seed = derived_seed(self.noise_seed, LabelPurpose.VALIDATION)
            val = self.noise.apply(val, self.num_classes, seed)
        return Splits(train, val, splits.test)

    def setup(self, stage: str | None = None) -> None:
        """Read the data, if they were not."""
        _ = self.splits

    def __getstate__(self) -> dict[str, Any]:
        """Pickle all but the tensors, which another process reads itself, and a fit's Trainer."""
        return {**super().__getstate__(), "_splits": None}

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


@describe_value.register
def _describe(value: TensorDataModule, walk: Walk) -> dict[str, Any]:
    """Describe it by its settings and the data as they were read, wherever these came from."""
    described = describe_data_module(value, walk)
    for name in ("root", "path", "hparams.root", "hparams.path", "_splits"):
        described.pop(name, None)
    return {**described, "splits": walk.at("splits", value.splits)}
