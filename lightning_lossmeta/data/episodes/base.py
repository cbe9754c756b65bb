"""The contract of data that a seed draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import pytorch_lightning as pl

from lightning_lossmeta.data.loader import BatchLoader

#: What episodes are for that a search does not learn from: choosing, and the last word.
HeldOut = Literal["val", "test"]


class EpisodeData(pl.LightningDataModule, ABC):
    """A data module that gives a small training set and its validation set for each seed.

    A fit on a task with such data trains on the episode of the task's seed and is scored on that
    episode's validation samples. Seeds derive from the generation, so that every generation sees
    fresh episodes, the same for all candidates. Fits with several seeds still train as one stack,
    each network on its own episode, if all episodes have as many batches of one size.
    """

    @abstractmethod
    def episode(self, seed: int) -> tuple[BatchLoader, BatchLoader]:
        """The training and the validation batches that a seed draws.

        Args:
            seed: Equal seeds give equal episodes; global random state is left alone.
        """

    def held_out(self, split: HeldOut) -> pl.LightningDataModule:
        """Data that the generations of a search never see; by default these same episodes.

        Finalists of a search and the learning rates of a comparison are chosen on those of
        ``"val"``, a comparison is scored on those of ``"test"``; what is given may also be data
        that no seed draws.

        Args:
            split: What they are for.
        """
        del split
        return self

    def train_dataloader(self) -> BatchLoader:
        """The training batches of the episode of seed 0, for an ordinary fit."""
        return self.episode(0)[0]

    def val_dataloader(self) -> BatchLoader:
        """The validation batches of the episode of seed 0."""
        return self.episode(0)[1]


def held_out(data: pl.LightningDataModule, split: HeldOut) -> pl.LightningDataModule:
    """The data that choose or score; those of other data modules than episodes are the same.

    Args:
        data: Any data module.
        split: What they are for.
    """
    return data.held_out(split) if isinstance(data, EpisodeData) else data
