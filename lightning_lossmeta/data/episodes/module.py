"""Episodes of any classification data: n classes, k samples of each to train on, many to score."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.base import Split, TensorDataModule
from lightning_lossmeta.data.episodes.base import EpisodeData, HeldOut
from lightning_lossmeta.data.episodes.pools import ClassPools, Pool
from lightning_lossmeta.data.loader import BatchLoader


class EpisodeDataModule(EpisodeData):
    """n-way, k-shot episodes out of the samples of another data module.

    A seed draws the classes, ``shots`` samples of each for training, which make a single batch, and
    ``queries`` others of each for validation. A search learns on the source's training split,
    finalists and learning rates are chosen on its validation split, and comparisons score on its
    test split, so that these pools share no samples; with ``classes`` they share no classes either.
    Classes of an episode are counted from 0 in rising order.

    Args:
        source: Classification data: images or a table.
        ways: n, how many classes an episode has; all of the source, or of the smallest pool of
            ``classes``, by default.
        shots: k, how many samples of each class are trained on.
        queries: How many samples of each class score an episode.
        classes: Pools of classes; by default every pool has all.
        eval_batch_size: How many samples a batch of validation has.

    Raises:
        ValueError: If a number is too small, ``source`` is of another kind or augments its images;
            when it is set up, if a pool has too few classes or a class too few samples.

    Source: Hai & Liu (2021), section 3, figure 2.

    >>> from lightning_lossmeta.data import DigitsDataModule
    >>> data = EpisodeDataModule(DigitsDataModule(), ways=3, shots=5, queries=20)
    >>> train, val = data.episode(seed=0)
    >>> train.inputs.shape, val.targets.bincount()
    (torch.Size([15, 1, 8, 8]), tensor([20, 20, 20]))
    """

    def __init__(
        self,
        source: TensorDataModule,
        ways: int | None = None,
        shots: int = 5,
        queries: int = 100,
        classes: ClassPools | None = None,
        eval_batch_size: int = 500,
    ) -> None:
        super().__init__()
        if not isinstance(source, TensorDataModule):
            raise ValueError(
                "Expected argument `source` to be classification data in memory, a "
                f"TensorDataModule, got {type(source).__name__}."
            )
        if getattr(source, "augment", None) is not None:
            raise ValueError(
                "Expected argument `source` not to augment its images, which episodes would leave "
                "out: take its `augment` away."
            )
        check_at_least(1, shots=shots, queries=queries, eval_batch_size=eval_batch_size)
        if ways is not None:
            check_at_least(2, ways=ways)
        if ways is not None and classes is not None and ways > classes.smallest():
            raise ValueError(
                f"Expected argument `ways` to be at most {classes.smallest()}, the classes of the "
                f"smallest pool, got {ways}."
            )
        self.source = source
        self.ways = ways
        self.shots = shots
        self.queries = queries
        self.classes = classes
        self.eval_batch_size = eval_batch_size
        self.pool: Pool = "train"

    @property
    def num_classes(self) -> int:
        """How many classes an episode has."""
        if self.ways is not None:
            return self.ways
        if self.classes is not None:
            return self.classes.smallest()
        return int(self.source.num_classes)

    @property
    def mean(self) -> tuple[float, ...]:
        """What was subtracted of the source's pixels in [0, 1], by channel."""
        return self.source.mean

    @property
    def std(self) -> tuple[float, ...]:
        """What they were divided by, by channel."""
        return self.source.std

    def held_out(self, split: HeldOut) -> EpisodeDataModule:
        """Episodes of the pool for choosing or for the last word, out of the same source."""
        other = copy.copy(self)
        other.pool = split
        return other

    def prepare_data(self) -> None:
        """Fetch the source's files, if it does."""
        self.source.prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Read the source and check that every pool can fill an episode.

        Raises:
            ValueError: If the source is no classification, a pool has too few classes, or a class
                too few samples; says which and what to change.
        """
        self.source.setup(stage)
        for pool in ("train", "val", "test"):
            self._check(pool)

    def episode(self, seed: int) -> tuple[BatchLoader, BatchLoader]:
        """Draw classes and samples.

        Args:
            seed: Equal seeds draw equal episodes of a pool; global random state is left alone.

        Returns:
            The training samples in a single batch, and the validation samples.
        """
        split, classes = self._split(self.pool), self._classes(self.pool)
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(classes), generator=generator)[: self.num_classes]
        picked = sorted(classes[place] for place in chosen.tolist())
        parts = [self._drawn(split.targets, label, generator) for label in picked]
        training = torch.cat([part[: self.shots] for part in parts])
        scoring = torch.cat([part[self.shots :] for part in parts])
        return (
            self._loader(split, training, self.shots, len(training)),
            self._loader(split, scoring, self.queries, self.eval_batch_size),
        )

    def _drawn(self, targets: Tensor, label: int, generator: torch.Generator) -> Tensor:
        """Positions of samples of a class, first those to train on."""
        own = (targets == label).nonzero().flatten()
        order = torch.randperm(len(own), generator=generator)[: self.shots + self.queries]
        return own[order.to(own.device)]

    def _loader(self, split: Split, positions: Tensor, each: int, batch_size: int) -> BatchLoader:
        labels = torch.arange(self.num_classes).repeat_interleave(each)
        labels = labels.to(split.targets.device)
        return BatchLoader(split.inputs[positions], labels, batch_size)

    def _split(self, pool: Pool) -> Split:
        return getattr(self.source.splits, pool)  # type: ignore[no-any-return]

    def _classes(self, pool: Pool) -> list[int]:
        if self.classes is not None:
            return self.classes.of(pool)
        return list(range(int(self.source.num_classes)))

    def _check(self, pool: Pool) -> None:
        targets, name = self._split(pool).targets, type(self.source).__name__
        if targets.is_floating_point():
            raise ValueError(
                f"Expected argument `source` to have classes, got {name}, a regression."
            )
        classes, known = self._classes(pool), int(self.source.num_classes)
        if classes[-1] >= known:
            raise ValueError(
                f"Expected argument `classes` to hold indices below {known}, the classes of "
                f"{name}, got {classes[-1]} in `{pool}`."
            )
        if self.num_classes > len(classes):
            raise ValueError(
                f"Expected argument `ways` to be at most {len(classes)}, the classes of {name}, "
                f"got {self.num_classes}."
            )
        counts = targets.bincount(minlength=known)[classes]
        fewest, needed = int(counts.min()), self.shots + self.queries
        if fewest < needed:
            raise ValueError(
                f"Expected at least {needed} samples of each class in the {pool} pool, "
                f"{self.shots} shots and {self.queries} queries, got {fewest} of class "
                f"{classes[int(counts.argmin())]} in the {pool} split of {name}: take fewer "
                "`shots` or `queries`, or a source with more samples there."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Pickle all but the Trainer of a fit; another process sets up again."""
        state = {**self.__dict__, "trainer": None}
        state.pop("_lossmeta_stages", None)
        return state
