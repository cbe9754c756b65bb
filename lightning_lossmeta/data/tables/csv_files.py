"""A user's own table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.tables.regression import (
    Floats,
    NumericTable,
    RegressionDataModule,
    log_once,
)
from lightning_lossmeta.data.tables.table_files import TextTable, missing, parsed, read_table

_SHOWN = 6


class TableDataModule(RegressionDataModule):
    """A CSV file whose first line names the columns, one of which is to be predicted.

    Columns of numbers are standardised, and missing values in them (empty, ``NA``, ``NaN``,
    ``null``, ``none``, ``?``) take the median of the training rows. Every other column becomes an
    input of 0 and 1 for each text in it; a missing text is 0 in all of them. These inputs come
    last. What was done is said once, with the number of inputs that a network needs.

    Args:
        path: The file, in UTF-8.
        target: The column to predict.
        ignore: Columns to leave out, e.g. row numbers and names.
        delimiter: What stands between cells.
        max_categories: How many different texts a column may hold.
        **kwargs: Those of :class:`~lightning_lossmeta.data.tables.regression.RegressionDataModule`.

    Raises:
        FileNotFoundError: When reading, if there is no such file.
        ValueError: If a number is out of its range; when reading, if the file is no table with
            these columns, a target is no number, or a column has too many texts.
    """

    def __init__(
        self,
        path: str,
        target: str,
        ignore: list[str] | None = None,
        delimiter: str = ",",
        max_categories: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least(2, max_categories=max_categories)
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise ValueError(
                f"Expected argument `delimiter` to be one character, got {delimiter!r}."
            )
        ignore = list(ignore or [])
        if target in ignore:
            raise ValueError(
                f"Expected argument `ignore` not to name the target, got '{target}' in {ignore}."
            )
        self.path = os.path.expanduser(path)
        self.target = target
        self.ignore = ignore
        self.delimiter = delimiter
        self.max_categories = max_categories

    def table(self) -> NumericTable:
        """Read the file and make numbers of texts."""
        table = read_table(Path(self.path), self.delimiter)
        target = table.complete(self.target, "target")
        for name in self.ignore:
            table.named(name, "column to ignore")
        left_out = {self.target, *self.ignore}
        numbers: dict[str, Floats] = {}
        indicators: dict[str, Floats] = {}
        texts = []
        for name, cells in table.columns.items():
            if name in left_out:
                continue
            found, others = parsed(cells)
            if others:
                texts.append(name)
                indicators |= self._indicators(table, name, others)
            elif np.isnan(found).all():
                raise ValueError(
                    f"Expected column '{name}' of '{self.path}' to hold values, got none: name it "
                    "in `ignore`."
                )
            else:
                numbers[name] = found
        columns = numbers | indicators
        if not columns:
            raise ValueError(
                f"Expected '{self.path}' to have a column beside the target '{self.target}', got "
                f"none{' that is not ignored' if self.ignore else ''}."
            )
        if texts:
            log_once(
                f"'{self.path}': the texts in {', '.join(texts)} became {len(indicators)} inputs "
                f"of 0 and 1; with {len(numbers)} columns of numbers a network needs "
                f"{len(columns)} inputs."
            )
        features = np.stack(list(columns.values()), axis=1)
        name = f"'{self.path}'"
        return NumericTable(name, features, target, tuple(columns), len(indicators))

    def _indicators(self, table: TextTable, name: str, others: list[int]) -> dict[str, Floats]:
        """An input for each text of a column."""
        cells = table.columns[name]
        known = sorted({cell for cell in cells if not missing(cell)})
        if len(known) > self.max_categories:
            listed = ", ".join(repr(cell[:40]) for cell in known[:_SHOWN])
            first = others[0]
            raise ValueError(
                f"Expected column '{name}' of '{self.path}' to hold numbers, or at most "
                f"{self.max_categories} different texts (`max_categories`), got {len(known)}: "
                f"{listed}, ... The first that is no number is {cells[first]!r:.80} in line "
                f"{table.lines[first]}. Name the column in `ignore` if it is of no use."
            )
        held = np.array(cells)
        return {f"{name}={text}": (held == text).astype(np.float64) for text in known}
