"""What data modules for regression share: rows of numbers, split and standardised."""

from __future__ import annotations

import math
import multiprocessing
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_info
from sklearn.model_selection import train_test_split

from lightning_lossmeta.data.base import Split, Splits, TensorDataModule

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class NumericTable:
    """Rows of numbers, one of which is to be predicted.

    Args:
        name: Of the table, for messages.
        features: (N, d), NaN where a value is missing.
        target: (N,).
        names: Of the d features.
        indicators: How many features, the last ones, are 0 or 1 and stay so.
    """

    name: str
    features: Floats
    target: Floats
    names: tuple[str, ...]
    indicators: int = 0


class RegressionDataModule(TensorDataModule):
    """Rows of a table in memory: numbers in, one number out.

    Inputs are (B, d) and targets (B, 1), both float32, as a network with one output and
    :class:`~lightning_lossmeta.losses.regression.RegressionLoss` take them. Missing values take
    the median of the training rows; then features and target are standardised ::

        x = (value - mean) / standard deviation,   both over the training rows

    so that a mean squared error of 1 is that of predicting the mean. All rows of the training split
    count for these figures, also those that ``train_size`` leaves out. A subclass writes
    :meth:`table`.

    Args:
        split: ``"disjoint"``: training, validation and test rows share none; ``"published"``: as in
            the code of Raymond et al. (2024), for comparison with their figures: 40% of the rows
            are the test split, one half of these is trained on and the other validates, and 60%
            are not used. Every training row is a test row.
        val_fraction: Of the rows, for validation of the disjoint split.
        test_fraction: And for test.
        **kwargs: Those of :class:`~lightning_lossmeta.data.base.TensorDataModule`.

    Raises:
        ValueError: If a fraction is out of its range, ``split`` is neither, or there is ``noise``.

    Warns:
        UserWarning: If the split is the published one.

    Attributes:
        num_classes: Outputs of a network: 1.
    """

    num_classes = 1

    def __init__(
        self,
        split: Literal["disjoint", "published"] = "disjoint",
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if split not in ("disjoint", "published"):
            raise ValueError(
                f"Expected argument `split` to be 'disjoint' or 'published', got {split!r}."
            )
        for name, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
            if not 0 < value < 1:
                raise ValueError(f"Expected argument `{name}` to be in (0, 1), got {value}.")
        if val_fraction + test_fraction >= 1:
            raise ValueError(
                "Expected arguments `val_fraction` and `test_fraction` to leave rows to train on, "
                f"got {val_fraction} and {test_fraction}."
            )
        if self.noise is not None:
            raise ValueError(
                f"Expected argument `noise` to be None for regression, got {self.noise!r}: label "
                "noise changes classes."
            )
        self.split = split
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self._names: tuple[str, ...] = ()
        self._target_scale = (0.0, 1.0)
        if split == "published":
            warnings.warn(
                f"THE TEST SPLIT OF {type(self).__name__} HOLDS EVERY TRAINING ROW, as `split` is "
                "'published': its scores log_once how well a network remembers, not how well it "
                "predicts. For anything but a comparison with published figures take 'disjoint'.",
                stacklevel=2,
            )

    @abstractmethod
    def table(self) -> NumericTable:
        """Read the rows; called once."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs, in order; the data are read to know them."""
        _ = self.splits
        return self._names

    @property
    def target_scale(self) -> tuple[float, float]:
        """Mean and standard deviation that the target was standardised by.

        A mean squared error times the square of the second is one in the table's own units.
        """
        _ = self.splits
        return self._target_scale

    def load(self) -> Splits:
        """Read, split, impute and standardise.

        Raises:
            FileNotFoundError: If there is nothing to read.
            ValueError: If the table has too few rows, or can't be standardised.
        """
        table = self.table()
        rows = self._rows(len(table.target))
        train = rows[0]
        if np.ptp(table.target[train]) == 0:
            raise ValueError(
                f"Expected the target of {table.name} to differ among the training rows, got "
                f"{table.target[train][0]:g} in all of them."
            )
        features = _imputed(table, train)
        count = features.shape[1] - table.indicators
        features[:, :count], _, _ = _standardised(features[:, :count], train)
        target, mean, std = _standardised(table.target[:, None], train)
        self._names = table.names
        self._target_scale = (float(mean[0]), float(std[0]))
        whole = Split(
            torch.from_numpy(features).float(),
            torch.from_numpy(target).float(),
            indices=torch.arange(len(target)),
        )
        for values, name in ((whole.inputs, "features"), (whole.targets, "target")):
            if not bool(values.isfinite().all()):
                raise ValueError(
                    f"Expected the {name} of {table.name} to be numbers that can be standardised, "
                    "got some that are too large."
                )
        return Splits(*(whole.take(torch.from_numpy(part)) for part in rows))

    def _rows(self, count: int) -> tuple[Rows, Rows, Rows]:
        """Row numbers for training, validation and test."""
        published = self.split == "published"
        test_size = math.ceil(0.4 * count) if published else round(count * self.test_fraction)
        val_size = math.ceil(test_size / 2) if published else round(count * self.val_fraction)
        train_size = (test_size if published else count - test_size) - val_size
        if min(train_size - 1, val_size, test_size) < 1:
            raise ValueError(
                f"Expected {type(self).__name__} to have at least 2 rows for training and 1 each "
                f"for validation and test, got {count} rows, which make {train_size}, {val_size} "
                f"and {test_size}. Give more rows, or other fractions."
            )
        seed = self.split_seed
        rest, test = train_test_split(np.arange(count), test_size=test_size, random_state=seed)
        # The published code goes on with the wrong part.
        source = test if published else rest
        train, val = train_test_split(source, test_size=val_size, random_state=seed)
        return train, val, test


def log_once(text: str) -> None:
    """Tell the user once, and not from every worker process that reads the same table."""
    if multiprocessing.parent_process() is None:
        rank_zero_info(text)


def _imputed(table: NumericTable, train: Rows) -> Floats:
    """Features without gaps: a copy."""
    features = table.features.copy()
    gaps = np.isnan(features)
    counts = {}
    for place in np.flatnonzero(gaps.any(axis=0)):
        known = features[train, place][~gaps[train, place]]
        if not len(known):
            raise ValueError(
                f"Expected column '{table.names[place]}' of {table.name} to have a value in some "
                "training row, got none: leave the column out."
            )
        features[gaps[:, place], place] = np.median(known)
        counts[table.names[place]] = int(gaps[:, place].sum())
    if counts:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        log_once(
            f"{table.name}: {sum(counts.values())} missing values took the training rows' median "
            f"({listed})."
        )
    return features


def _standardised(values: Floats, train: Rows) -> tuple[Floats, Floats, Floats]:
    """Columns with their mean and standard deviation over the training rows; 1 where constant."""
    known = values[train]
    with np.errstate(over="ignore", invalid="ignore"):
        constant = np.ptp(known, axis=0) == 0
        mean = np.where(constant, known[0], known.mean(axis=0))
        std = np.where(constant, 1.0, known.std(axis=0))
        std[np.isinf(std)] = np.nan  # too large to be squared
        return (values - mean) / std, mean, std
