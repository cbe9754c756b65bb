"""Inner fits on only some of the training samples."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)

from lightning_lossmeta.data.balanced import balanced_subset

#: Arguments that a limited loader has of its own; the others of a ``DataLoader`` are kept.
_REPLACED = {"self", "dataset", "shuffle", "sampler", "batch_sampler", "drop_last"}


def limit_samples(loader: Any, count: int, seed: int) -> Any:
    """A loader over ``count`` of a loader's samples, chosen by the seed, shuffled each epoch.

    As many of each class are taken as can be, where the data set says its labels (an attribute
    ``targets``, or the last tensor of a ``TensorDataset``). They are taken among those that the
    loader draws: all of the data set, or the indices of a ``SubsetRandomSampler``. Every setting of
    the loader but its sampler is kept.

    Args:
        loader: One with a method ``subset(count, seed)``, as in this package, or a ``DataLoader``
            over a data set with a length that draws every sample once an epoch.
        count: How many samples are kept; all if there are fewer.
        seed: Chooses the samples.

    Raises:
        TypeError: If the loader is neither, or draws or batches by a sampler whose meaning would
            be lost; names it.
    """
    if hasattr(loader, "subset"):
        return loader.subset(count, seed)
    _check_limitable(loader)
    drawn = _drawn(loader)
    labels = _labels(loader.dataset)
    classes = drawn.double() if labels is None else labels[drawn]  # real numbers are no classes
    chosen = drawn[balanced_subset(classes, count, seed)]
    subset: Subset[Any] = Subset(loader.dataset, chosen.tolist())
    own_generator = getattr(loader.sampler, "generator", None)
    return DataLoader(
        subset,
        sampler=RandomSampler(subset, generator=own_generator or loader.generator),
        drop_last=loader.drop_last and len(subset) >= loader.batch_size,
        **_settings(loader),
    )


def _check_limitable(loader: Any) -> None:
    """Refuse what is no plain ``DataLoader``, or one that has its own way to make batches."""
    if (
        type(loader) is not DataLoader
        or not hasattr(loader.dataset, "__len__")
        or isinstance(loader.dataset, IterableDataset)
    ):
        raise TypeError(
            "Expected train_dataloader() to give a DataLoader over a data set with a length, to "
            f"limit its samples by `train_samples`, got {_described(loader)}. Give the loader a "
            "method `subset(count, seed)`, or leave out `train_samples`."
        )
    if loader.batch_size is None:
        raise TypeError(
            "Expected train_dataloader() to give a DataLoader with a `batch_size`, to limit its "
            "samples by `train_samples`, got one with a `batch_sampler` or without batches "
            f"({type(loader.batch_sampler).__name__}). Give it a `batch_size`, or leave out "
            "`train_samples`."
        )


def _described(loader: Any) -> str:
    """Name a loader's class or, of a plain ``DataLoader``, its data set's."""
    if type(loader) is not DataLoader:
        return type(loader).__name__
    return f"a DataLoader over {type(loader.dataset).__name__}"


def _drawn(loader: DataLoader[Any]) -> Tensor:
    """Positions of the samples that an epoch draws, each once.

    Raises:
        TypeError: If the sampler draws some more often than others, or nobody knows which.
    """
    sampler: Any = loader.sampler
    size = len(loader.dataset)  # type: ignore[arg-type]
    if type(sampler) is SubsetRandomSampler:
        return torch.as_tensor(sampler.indices, dtype=torch.int64)
    whole_epochs = type(sampler) is SequentialSampler or (
        type(sampler) is RandomSampler
        and not sampler.replacement
        and sampler.num_samples == size == len(sampler.data_source)
    )
    if not whole_epochs:
        raise TypeError(
            "Expected the sampler of train_dataloader() to draw every sample once an epoch, to "
            f"limit them by `train_samples`, got {type(sampler).__name__}, whose draws would "
            "mean something else among fewer samples. Leave out `train_samples`, or give the "
            "loader a smaller data set with a sampler made for it."
        )
    return torch.arange(size)


def _settings(loader: DataLoader[Any]) -> dict[str, Any]:
    """The settings of a loader that a limited one keeps, as far as this PyTorch knows them."""
    names = inspect.signature(DataLoader.__init__).parameters.keys() - _REPLACED
    return {name: getattr(loader, name) for name in names if hasattr(loader, name)}


def _labels(dataset: Any) -> Tensor | None:
    """The class indices (N,) of a data set; ``None`` if it has none at hand."""
    targets = getattr(dataset, "targets", None)
    if targets is None and isinstance(dataset, TensorDataset):
        targets = dataset.tensors[-1]
    if targets is None or len(targets) != len(dataset):
        return None
    labels = torch.as_tensor(targets)
    return labels if labels.dim() == 1 and not labels.is_floating_point() else None
