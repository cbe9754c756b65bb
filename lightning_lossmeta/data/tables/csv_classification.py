"""A user's own table with a class to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lightning_lossmeta.data.base import Split, Splits, TensorDataModule
from lightning_lossmeta.data.tables.class_names import class_names
from lightning_lossmeta.data.tables.features import FeatureTable, encode
from lightning_lossmeta.data.tables.logs import log_once
from lightning_lossmeta.data.tables.rows import Rows, check_fractions, stratified_rows
from lightning_lossmeta.data.tables.table_file import TableFile

_SHOWN = 12


class TableClassificationDataModule(TensorDataModule):
    """A CSV file whose first line names the columns, one of which is a class to be predicted.

    Inputs are (B, d), float32, made of the other columns as
    :class:`~lightning_lossmeta.data.tables.csv_regression.TableDataModule` makes them; targets are
    (B,), class indices. The classes are the different texts in the target column in alphabetical
    order, or whole numbers in their order. Each split has its share of every class.

    Args:
        path: The file, in UTF-8.
        target: The column to predict: texts or whole numbers.
        ignore: Columns to leave out, e.g. row numbers and names.
        delimiter: The character between two cells.
        max_categories: How many different texts a feature may hold.
        categories: Columns whose cells are names of kinds, though some or all look like numbers.
        val_fraction: Of the rows of each class, for validation; at least one.
        test_fraction: Of the rows of each class, for test; at least one.
        **kwargs: Those of :class:`~lightning_lossmeta.data.base.TensorDataModule`, ``noise`` among
            them.

    Raises:
        FileNotFoundError: When reading, if there is no such file.
        ValueError: If an argument is out of its range; when reading, if the file is no table with
            these columns, a class is missing or has too few rows for three splits, or a column has
            too many texts or holds numbers and texts; names line, column and cell.

    >>> from tempfile import TemporaryDirectory
    >>> fruit = pd.DataFrame({"mass": range(9), "kind": ["apple"] * 6 + ["lemon"] * 3})
    >>> with TemporaryDirectory() as folder:
    ...     fruit.to_csv(f"{folder}/fruit.csv", index=False)
    ...     data = TableClassificationDataModule(f"{folder}/fruit.csv", target="kind")
    ...     data.setup()
    >>> data.classes, data.class_weights, len(data.splits.train.targets)
    (('apple', 'lemon'), tensor([0.6250, 2.5000]), 5)
    """

    def __init__(
        self,
        path: str,
        target: str,
        ignore: list[str] | None = None,
        delimiter: str = ",",
        max_categories: int = 32,
        categories: list[str] | None = None,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_fractions(val_fraction, test_fraction)
        # Under their own names too: by these a comparison tells one table from another.
        self.path = path
        self.target = target
        self.ignore = ignore or []
        self.delimiter = delimiter
        self.max_categories = max_categories
        self.categories = categories or []
        self.file = TableFile(path, target, self.ignore, self.categories, delimiter, max_categories)
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self._classes: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes by index, for which the data are read."""
        if not self._classes:
            _ = self.splits
        return self._classes

    # Known once the data are read, where other data modules have constants.
    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many classes there are."""
        return len(self.classes)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs, in order; the data are read to know them."""
        _ = self.splits
        return self._names

    @property
    def class_weights(self) -> Tensor:
        """A weight for each class, the greater the rarer, as ``torch.nn.CrossEntropyLoss`` takes.

        ::

            w_c = N / (C n_c),   n_c of the N training labels, as they are trained on, being c

        Returns:
            The weights, (C,), float32.
        """
        targets = self.splits.train.targets
        counts = targets.bincount(minlength=self.num_classes)
        # Label noise may leave a class without a label: its weight multiplies nothing.
        return len(targets) / (self.num_classes * counts.clamp(min=1).float())

    def load(self) -> Splits:
        """Read, split by class, impute and standardise.

        Raises:
            FileNotFoundError: If there is nothing to read.
            ValueError: If the file is no table of classes.
        """
        table = self.file.read()
        self._classes = class_names(self.file, table)
        names = table.column(self.file.target)
        labels = pd.Categorical(names, self._classes).codes.astype(np.int64)
        rows = self._rows(labels)
        log_once(
            f"'{self.file.path}': {len(self._classes)} classes ({self._counted(labels)}), for as "
            "many outputs of a network."
        )
        features = FeatureTable(f"'{self.file.path}'", self.file.features(table), labels)
        inputs, self._names = encode(features, rows[0])
        whole = Split(inputs, torch.from_numpy(labels), indices=torch.arange(len(labels)))
        return Splits(*(whole.take(torch.from_numpy(part)) for part in rows))

    def _rows(self, labels: Rows) -> tuple[Rows, Rows, Rows]:
        rows = stratified_rows(labels, self.val_fraction, self.test_fraction, self.split_seed)
        counts = np.bincount(labels)
        trained = np.bincount(labels[rows[0]], minlength=len(counts))
        small = np.flatnonzero((counts < 3) | (trained < 1))
        if len(counts) < 2 or len(small):
            few = labels[np.isin(labels, small)] if len(small) else labels
            raise ValueError(
                f"Expected column '{self.file.target}' of '{self.file.path}' to hold at least 2 "
                "classes, each with enough rows for training, validation and test (3 or more), got "
                f"{self._counted(few)} of {len(labels)} rows. Add rows of these classes, leave "
                "them out, or give smaller fractions."
            )
        return rows

    def _counted(self, labels: Rows) -> str:
        """The classes that occur, with how many rows they have."""
        counts = [f"{self._classes[k]!r} {n}" for k, n in enumerate(np.bincount(labels)) if n]
        return ", ".join(counts[:_SHOWN]) + (", ..." if len(counts) > _SHOWN else "")
