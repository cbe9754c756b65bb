"""From columns of numbers and texts to the inputs of a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lightning_lossmeta.data.tables.logs import log_once
from lightning_lossmeta.data.tables.rows import Rows

#: Beyond it the squares that a standard deviation is made of may overflow.
_LARGEST = 1e100


@dataclass(frozen=True)
class FeatureTable:
    """Rows of features, and what is to be predicted of each.

    Args:
        name: What messages call the table.
        features: Columns of numbers (any numeric type, NaN where a value is missing) and of texts
            (any other type, NaN or ``None`` where a value is missing), N rows.
        target: (N,), a number or a class index a row.

    Raises:
        ValueError: If there is no feature, the lengths differ, or a number is infinite, too large
            to be standardised, or a missing target.

    >>> FeatureTable("homes", pd.DataFrame({"area": [50.0, 80.0]}), np.array([1.0, np.nan]))
    Traceback (most recent call last):
    ValueError: Expected the target of homes to be finite numbers, got nan in row 1.
    """

    name: str
    features: pd.DataFrame
    target: NDArray[np.float64] | NDArray[np.int64]

    def __post_init__(self) -> None:
        rows, columns = self.features.shape
        if not columns or self.target.shape != (rows,):
            raise ValueError(
                f"Expected {self.name} to have a feature and a target a row, got {columns} "
                f"features of {rows} rows and targets of shape {self.target.shape}."
            )
        if not np.isfinite(self.target).all():
            row = int(np.isfinite(self.target).argmin())
            raise ValueError(
                f"Expected the target of {self.name} to be finite numbers, got "
                f"{self.target[row]} in row {row}."
            )
        numbers = self.features.select_dtypes("number")
        for column, values in [*numbers.items(), ("the target", self.target)]:
            if bool((np.abs(values) > _LARGEST).any()):
                raise ValueError(
                    f"Expected {column} of {self.name} to be numbers that can be standardised, at "
                    f"most {_LARGEST:g} in size, got a larger one."
                )


def encode(table: FeatureTable, train: Rows) -> tuple[Tensor, tuple[str, ...]]:
    """Impute and standardise numbers, and make indicators of texts.

    The training rows alone decide by which median, mean and standard deviation. Each text in a
    column becomes an input that is 1 in its rows and 0 in others, after the inputs of numbers. All
    texts of the table have one, so that how many inputs there are does not depend on the split. An
    input that is the same in all training rows (a constant, a text that they lack) is 0 everywhere:
    nothing can be learned of it.

    Args:
        table: N rows of features.
        train: The rows that are trained on.

    Returns:
        The inputs, (N, d), float32, and their d different names.

    Raises:
        ValueError: If a column has no value in any training row, or an input is too large.
    """
    features = table.features
    for column in features.columns[features.iloc[train].isna().all()]:
        raise ValueError(
            f"Expected column '{column}' of {table.name} to have a value in some training row, got "
            "none: leave the column out."
        )
    numeric = features.select_dtypes("number").columns
    texts = features.select_dtypes(exclude="number").columns
    _log_imputed(table.name, features[numeric].isna().sum())
    wide = pd.get_dummies(features, columns=list(texts), prefix_sep="=", dtype=np.float64)
    # By place, as names may be the same: a column "a=b", and the text "b" in a column "a". Row by
    # row in memory: the order of the sums decides the last bit of the statistics.
    values = np.array(wide, dtype=np.float64, order="C")
    numbers = values[:, : len(numeric)]
    if len(numeric):
        standardise = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        numbers[:] = standardise.fit(numbers[train]).transform(numbers)
    values[:, np.ptp(values[train], axis=0) == 0] = 0
    inputs = torch.from_numpy(values).float()
    if not bool(inputs.isfinite().all()):
        raise ValueError(
            f"Expected the features of {table.name} to be numbers that can be standardised, got "
            "some that are too large beside those of the training rows."
        )
    return inputs, _different(list(wide.columns))


def _log_imputed(name: str, gaps: pd.Series) -> None:
    gaps = gaps[gaps > 0]
    if len(gaps):
        listed = ", ".join(f"{column} {count}" for column, count in gaps.items())
        log_once(f"{name}: {gaps.sum()} missing values took the training rows' median ({listed}).")


def _different(names: list[str]) -> tuple[str, ...]:
    """Make names differ: a name that came before gets a number behind it."""
    different: list[str] = []
    for name in names:
        fresh, number = name, 1
        while fresh in different:
            number += 1
            fresh = f"{name} ({number})"
        different.append(fresh)
    return tuple(different)
