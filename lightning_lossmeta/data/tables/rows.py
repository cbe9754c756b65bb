"""Which rows of a table train, validate and test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Refuse fractions that leave no rows to train on.

    Args:
        val_fraction: The share of the rows that validates.
        test_fraction: The share of the rows that tests.

    Raises:
        ValueError: If one is not in (0, 1), or both together are not.
    """
    for name, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        if not 0 < value < 1:
            raise ValueError(f"Expected argument `{name}` to be in (0, 1), got {value}.")
    if val_fraction + test_fraction >= 1:
        raise ValueError(
            "Expected arguments `val_fraction` and `test_fraction` to leave rows to train on, "
            f"got {val_fraction} and {test_fraction}."
        )


def stratified_rows(
    labels: NDArray[np.int64], val_fraction: float, test_fraction: float, seed: int
) -> tuple[Rows, Rows, Rows]:
    """Rows for training, validation and test, class by class.

    Of a class with n rows max(1, round(n fraction)) validate and as many by the other fraction
    test, so that no class is left to chance, as the smallest are where a whole table is split.

    Args:
        labels: (N,), a class index a row.
        val_fraction: The share of each class's rows that validates.
        test_fraction: The share of each class's rows that tests.
        seed: Decides which rows.

    Returns:
        Row numbers in rising order. The training rows of a class may be none: compare the counts.

    >>> labels = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    >>> [labels[rows].tolist() for rows in stratified_rows(labels, 0.2, 0.2, seed=0)]
    [[0, 0, 0, 1], [0, 1], [0, 1]]
    """
    generator = np.random.default_rng(seed)
    parts: tuple[list[Rows], ...] = ([], [], [])
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        val, test = (max(1, round(len(rows) * part)) for part in (val_fraction, test_fraction))
        for part, chosen in zip(parts, np.split(rows, [-val - test, -test]), strict=True):
            part.append(chosen)
    train, val_rows, test_rows = (np.sort(np.concatenate(part)) for part in parts)
    return train, val_rows, test_rows
