"""What data modules for regression share: rows of a table, split and standardised."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from typing import Any, Literal

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from lightning_lossmeta.data.base import Split, Splits, TensorDataModule
from lightning_lossmeta.data.tables.features import FeatureTable, encode
from lightning_lossmeta.data.tables.rows import Rows, check_fractions


class RegressionDataModule(TensorDataModule):
    """Rows of a table in memory, of each of which one number is to be predicted.

    Inputs are (B, d) and targets (B, 1), both float32, as a network with one output and
    :class:`~lightning_lossmeta.losses.regression.RegressionLoss` take them. Missing values take
    the median of the training rows; then numbers and target are standardised ::

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
        test_fraction: The share of the rows that tests in the disjoint split.
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
        check_fractions(val_fraction, test_fraction)
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
                "'published': its scores say how well a network remembers, not how well it "
                "predicts. For anything but a comparison with published figures take 'disjoint'.",
                stacklevel=2,
            )

    @abstractmethod
    def table(self) -> FeatureTable:
        """Read the rows: what a subclass writes. It is called once."""

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
        """Read the table, split its rows, impute missing inputs and standardise.

        Raises:
            FileNotFoundError: If there is nothing to read.
            ValueError: If the table has too few rows, or can't be standardised.
        """
        table = self.table()
        rows = self._rows(table.name, len(table.target))
        train = table.target[rows[0], None]
        if np.ptp(train) == 0:
            raise ValueError(
                f"Expected the target of {table.name} to differ among the training rows, got "
                f"{train[0, 0]:g} in all of them."
            )
        inputs, self._names = encode(table, rows[0])
        scaler = StandardScaler().fit(train)
        self._target_scale = (float(scaler.mean_[0]), float(scaler.scale_[0]))
        targets = torch.from_numpy(scaler.transform(table.target[:, None])).float()
        whole = Split(inputs, targets, indices=torch.arange(len(targets)))
        return Splits(*(whole.take(torch.from_numpy(part)) for part in rows))

    def _rows(self, name: str, count: int) -> tuple[Rows, Rows, Rows]:
        """Draw the row numbers for training, validation and test."""
        published = self.split == "published"
        test_size = math.ceil(0.4 * count) if published else round(count * self.test_fraction)
        val_size = math.ceil(test_size / 2) if published else round(count * self.val_fraction)
        train_size = (test_size if published else count - test_size) - val_size
        if min(train_size - 1, val_size, test_size) < 1:
            raise ValueError(
                f"Expected {name} to have at least 2 rows for training and 1 each for validation "
                f"and test, got {count} rows, which make {train_size}, {val_size} and {test_size}. "
                "Give more rows, or other fractions."
            )
        seed = self.split_seed
        rest, test = train_test_split(np.arange(count), test_size=test_size, random_state=seed)
        # The published code goes on with the wrong part.
        source = test if published else rest
        train, val = train_test_split(source, test_size=val_size, random_state=seed)
        return train, val, test
