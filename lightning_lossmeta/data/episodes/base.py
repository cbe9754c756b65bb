"""The contract of data that a seed draws."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pytorch_lightning as pl

from lightning_lossmeta.data.loader import BatchLoader


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

    def train_dataloader(self) -> BatchLoader:
        """The training batches of the episode of seed 0, for an ordinary fit."""
        return self.episode(0)[0]

    def val_dataloader(self) -> BatchLoader:
        """The validation batches of the episode of seed 0."""
        return self.episode(0)[1]
