"""Which training samples a batch holds, for methods that remember something of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from lightning_lossmeta.data.loader import BatchLoader


class IndexedBatches:
    """Yields a loader's batches as they are, and tells which samples each held.

    Args:
        loader: A :class:`~lightning_lossmeta.data.loader.BatchLoader`, or a ``DataLoader`` over a
            data set with a length.

    Attributes:
        num_samples: How many samples the loader draws from.
        indices: Of the batches that were yielded and not asked for yet, the oldest first.

    Raises:
        TypeError: If the loader is another.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._indexed: Any
        if isinstance(loader, BatchLoader):
            self.num_samples = len(loader.inputs)
            every = torch.arange(self.num_samples, device=loader.inputs.device)
            self._indexed = BatchLoader(
                every, loader.targets, loader.batch_size, loader.shuffle, loader.drop_last
            )
        else:
            dataset = _checked(loader).dataset
            self.num_samples = len(dataset)  # type: ignore[arg-type]
            self._indexed = DataLoader(
                _IndexedDataset(dataset),
                batch_sampler=loader.batch_sampler,
                num_workers=loader.num_workers,
                collate_fn=_IndexedCollate(loader.collate_fn),
                pin_memory=loader.pin_memory,
                worker_init_fn=loader.worker_init_fn,
                generator=loader.generator,
                multiprocessing_context=loader.multiprocessing_context,
            )
        self.indices: deque[Tensor] = deque()

    def __len__(self) -> int:
        return len(self._indexed)

    def __iter__(self) -> Iterator[Any]:
        self.indices.clear()
        if isinstance(self._loader, BatchLoader):
            for index, targets in self._indexed:
                self.indices.append(index)
                yield self._loader.inputs.index_select(0, index), targets
        else:
            for batch, index in self._indexed:
                self.indices.append(index)
                yield batch


class IndexTraining(pl.Callback):
    """Has a fit train on :class:`IndexedBatches`; the data module is left as it was.

    Attributes:
        batches: The training batches of the fit, once it made them.
    """

    def __init__(self) -> None:
        self.batches: IndexedBatches | None = None
        self._data: Any = None
        self._own: dict[str, Any] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Shadow the data module's ``train_dataloader``.

        Raises:
            ValueError: If the fit has no data module, or runs on several devices.
        """
        if stage != "fit":
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if data is None or trainer.world_size > 1:
            raise ValueError(
                f"Expected {type(pl_module).__name__}, which has to know the training samples of a "
                "batch, to be fitted on a LightningDataModule with one device, got "
                f"{'no data module' if data is None else f'{trainer.world_size} devices'}."
            )
        self._data, self._own = data, {k: v for k, v in vars(data).items() if k == _NAME}
        made = getattr(data, _NAME)

        def indexed() -> IndexedBatches:
            self.batches = IndexedBatches(made())
            return self.batches

        setattr(data, _NAME, indexed)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the data module its own loader back."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Give the data module its own loader back."""
        self._restore()

    def _restore(self) -> None:
        if self._data is not None:
            vars(self._data).pop(_NAME, None)
            vars(self._data).update(self._own)
            self._data = self.batches = None


_NAME = "train_dataloader"


class _IndexedDataset(Dataset[Any]):
    """Samples, each with its number."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._dataset[index], index


class _IndexedCollate:
    """A batch as another function makes it, and the numbers of its samples."""

    def __init__(self, collate: Any) -> None:
        self._collate = collate

    def __call__(self, samples: list[tuple[Any, int]]) -> tuple[Any, Tensor]:
        items, indices = zip(*samples, strict=True)
        return self._collate(list(items)), torch.tensor(indices)


def _checked(loader: Any) -> DataLoader[Any]:
    if (
        not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or loader.batch_sampler is None
    ):
        raise TypeError(
            "Expected the training batches to come from a BatchLoader, or from a DataLoader over a "
            f"data set with a length, got {type(loader).__name__}: it can't be said which sample "
            "is which."
        )
    return loader
