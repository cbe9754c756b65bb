"""A user's own table with a number to predict."""

from __future__ import annotations

from typing import Any

from lightning_lossmeta.data.tables.cells import parse_numbers
from lightning_lossmeta.data.tables.features import FeatureTable
from lightning_lossmeta.data.tables.regression import RegressionDataModule
from lightning_lossmeta.data.tables.table_file import TableFile


class TableDataModule(RegressionDataModule):
    """A CSV file whose first line names the columns, one of which is a number to be predicted.

    Columns of numbers are standardised, and missing values in them (empty, ``NA``, ``N/A``,
    ``#N/A``, ``NaN``, ``null``, ``none``, ``?``) take the median of the training rows. Every column
    of texts becomes an input of 0 and 1 for each text in it; a missing text, and one that no
    training row has, is 0 in all of them. These inputs come last. What was done is said once, with
    the number of inputs that a network needs. Rows that are in the file twice may fall into
    different splits: leave one.

    To predict a class take
    :class:`~lightning_lossmeta.data.tables.csv_classification.TableClassificationDataModule`.

    Args:
        path: The file, in UTF-8.
        target: The column to predict.
        ignore: Columns to leave out, e.g. row numbers and names.
        delimiter: The character between two cells.
        max_categories: How many different texts a column may hold.
        categories: Columns whose cells are names of kinds, though some or all look like numbers.
        **kwargs: Those of :class:`~lightning_lossmeta.data.tables.regression.RegressionDataModule`.

    Raises:
        FileNotFoundError: When reading, if there is no such file.
        ValueError: If an argument is out of its range; when reading, if the file is no table with
            these columns, a target is no number, or a column has too many texts or holds numbers
            and texts; names line, column and cell.
    """

    def __init__(
        self,
        path: str,
        target: str,
        ignore: list[str] | None = None,
        delimiter: str = ",",
        max_categories: int = 32,
        categories: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Under their own names too: by these a comparison tells one table from another.
        self.path = path
        self.target = target
        self.ignore = ignore or []
        self.delimiter = delimiter
        self.max_categories = max_categories
        self.categories = categories or []
        self.file = TableFile(path, target, self.ignore, self.categories, delimiter, max_categories)

    def table(self) -> FeatureTable:
        """Read the file and tell numbers from texts."""
        file, table = self.file, self.file.read()
        if parse_numbers(table.column(file.target)).isna().all():
            raise ValueError(
                f"Expected the target '{file.target}' of '{file.path}' to hold numbers, got "
                f"{table.cells[file.target].iloc[0]!r:.80} in line {table.cells.index[0]} and no "
                "number anywhere. If these are classes, take TableClassificationDataModule."
            )
        target = table.complete_numbers(file.target, "target").to_numpy()
        return FeatureTable(f"'{file.path}'", file.features(table), target)
