"""Another division into training and validation for each seed, where data are few."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from lightning_lossmeta.data.base import Split, TensorDataModule
from lightning_lossmeta.data.episodes.base import EpisodeData, HeldOut
from lightning_lossmeta.data.loader import BatchLoader


class ResampledSplits(EpisodeData):
    """Cross-validation by chance: each seed divides training and validation samples anew.

    A search with one validation split learns, in hundreds of candidates, what that split rewards.
    Here a seed draws which samples of both train and which validate, as many as the source has of
    each, classes in their shares; test samples take no part. With several seeds a candidate (see
    :class:`~lightning_lossmeta.search.allocation.RacedSeeds`) each is scored on several divisions,
    the same for all. Comparisons are made on the source as it is.

    Inputs and targets are scaled as the source does it, by its own training samples.

    Args:
        source: Data in memory: a table, or images without augmentation.

    Raises:
        ValueError: If ``source`` is of another kind or augments its images; when it is set up, if a
            class has too few samples to be in both parts.

    Source: Picard & Cook (1984), Monte Carlo cross-validation.

    >>> from lightning_lossmeta.data import DiabetesDataModule
    >>> data = ResampledSplits(DiabetesDataModule())
    >>> train, val = data.episode(seed=0)
    >>> len(train.inputs), len(val.inputs)
    (266, 88)
    """

    def __init__(self, source: TensorDataModule) -> None:
        super().__init__()
        if not isinstance(source, TensorDataModule):
            raise ValueError(
                "Expected argument `source` to be data in memory, a TensorDataModule, got "
                f"{type(source).__name__}."
            )
        if getattr(source, "augment", None) is not None:
            raise ValueError(
                "Expected argument `source` not to augment its images, which would be left out "
                "here: take its `augment` away."
            )
        self.source = source

    @property
    def num_classes(self) -> int:
        """How many classes the source has; 1 for regression."""
        return int(self.source.num_classes)

    def held_out(self, split: HeldOut) -> pl.LightningDataModule:
        """The same divisions to choose by; the source as it is for the last word."""
        return self if split == "val" else self.source

    def prepare_data(self) -> None:
        """Fetch the source's files, if it does."""
        self.source.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Read the source.

        Raises:
            ValueError: If a class has fewer than two samples.
        """
        self.source.setup(stage)
        targets = self._pool().targets
        if not targets.is_floating_point():
            counts = targets.bincount(minlength=self.num_classes)
            if int(counts.min()) < 2:
                raise ValueError(
                    "Expected at least 2 samples of each class in training and validation "
                    f"together, one for each part, got {int(counts.min())} of class "
                    f"{int(counts.argmin())}."
                )

    def _pool(self) -> Split:
        """Training and validation samples together."""
        train, val = self.source.splits.train, self.source.splits.val
        return Split(torch.cat((train.inputs, val.inputs)), torch.cat((train.targets, val.targets)))

    def episode(self, seed: int) -> tuple[BatchLoader, BatchLoader]:
        """Divide the samples.

        Args:
            seed: Equal seeds divide alike; global random state is left alone.
        """
        pool, source = self._pool(), self.source
        train, val = self._divided(pool.targets, seed)
        return (
            BatchLoader(pool.inputs[train], pool.targets[train], source.batch_size, True, True),
            BatchLoader(pool.inputs[val], pool.targets[val], source.eval_batch_size),
        )

    def _divided(self, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        classes = None if targets.is_floating_point() else targets.cpu().numpy()
        parts = train_test_split(
            torch.arange(len(targets)).numpy(),
            test_size=len(self.source.splits.val.targets),
            random_state=seed % 2**32,
            stratify=classes,
        )
        return torch.from_numpy(parts[0]), torch.from_numpy(parts[1])

    def __getstate__(self) -> dict[str, Any]:
        """Pickle all but the Trainer of a fit; another process sets up again."""
        state = {**self.__dict__, "trainer": None}
        state.pop("_lossmeta_stages", None)
        return state
