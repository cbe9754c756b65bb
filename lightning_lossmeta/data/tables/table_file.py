"""Which columns of a user's file are numbers, which are texts, and which is the target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.data.tables.cells import is_missing, looks_like_a_number, parse_numbers
from lightning_lossmeta.data.tables.logs import log_once
from lightning_lossmeta.data.tables.text_table import TextTable, read_table

_SHOWN = 6


@dataclass(frozen=True)
class TableFile:
    """A CSV file of which one column is to be predicted.

    A column holds numbers alone or texts alone: what is neither is refused with the cell that
    differs, as it may be a slip (``1,5``, ``5%``, ``-``).

    Args:
        path: The file, in UTF-8; ``~`` is the home folder.
        target: The column to predict.
        ignore: Columns to leave out.
        categories: Columns whose cells are names of kinds, whatever they look like.
        delimiter: The character between two cells.
        max_categories: How many different texts a column may hold.

    Raises:
        ValueError: If an argument is out of its range.
    """

    path: str
    target: str
    ignore: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    delimiter: str = ","
    max_categories: int = 32

    def __post_init__(self) -> None:
        check_at_least(2, max_categories=self.max_categories)
        mark = self.delimiter
        if not isinstance(mark, str) or len(mark) != 1 or mark in '"\r\n\0':
            raise ValueError(
                f"Expected argument `delimiter` to be one character, got {mark!r}. (In a shell a "
                "tab is $'\\t', in YAML \"\\t\".)"
            )
        for name, columns in (("ignore", self.ignore), ("categories", self.categories)):
            if isinstance(columns, str) or not all(isinstance(column, str) for column in columns):
                raise ValueError(
                    f"Expected argument `{name}` to be a list of names of columns, got {columns!r}."
                )
        if self.target in self.ignore:
            raise ValueError(
                f"Expected argument `ignore` not to name the target, got '{self.target}' in "
                f"{self.ignore}."
            )

    def read(self) -> TextTable:
        """Read the cells of the file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no table, or lacks a column that an argument names.
        """
        table = read_table(Path(self.path).expanduser(), self.delimiter)
        table.column(self.target, "target")
        for role, names in (("column to ignore", self.ignore), ("category", self.categories)):
            for name in names:
                table.column(name, role)
        return table

    def features(self, table: TextTable) -> pd.DataFrame:
        """Return columns of numbers and of texts, NaN where a value is missing.

        What was made of them is said once, with the number of inputs that a network needs.

        Args:
            table: What :meth:`read` read.

        Raises:
            ValueError: If there is none, one is empty, mixed, or has too many texts.
        """
        names = [name for name in table.cells if name not in {self.target, *self.ignore}]
        if not names:
            raise ValueError(
                f"Expected '{self.path}' to have a column beside the target '{self.target}', got "
                f"none{' that is not ignored' if self.ignore else ''}."
            )
        features = pd.DataFrame({name: self.typed(table, name) for name in names})
        texts = features.select_dtypes(exclude="number")
        for name in texts:
            self._check_count(table, name)
        _log_missing(table, names)
        if len(texts.columns):
            indicators = int(texts.nunique().sum())
            numbers = len(names) - len(texts.columns)
            log_once(
                f"'{self.path}': the texts in {', '.join(texts)} became {indicators} inputs "
                f"of 0 and 1; with {numbers} columns of numbers a network needs "
                f"{indicators + numbers} inputs."
            )
        return features

    def typed(self, table: TextTable, name: str) -> pd.Series:
        """Return a column as numbers or as texts, NaN where a value is missing.

        Raises:
            ValueError: If it has no value, or holds numbers and texts; names line and cell.
        """
        cells = table.column(name)
        given = ~is_missing(cells)
        if not given.any():
            raise ValueError(
                f"Expected column '{name}' of '{self.path}' to hold values, got none: name it "
                "in `ignore`."
            )
        texts = cells.where(given)
        if name in self.categories:
            return texts
        numbers = parse_numbers(cells)
        others = given & numbers.isna()
        if not others.any():
            return numbers
        if numbers.notna().any():
            odd = others if others.sum() <= numbers.count() else numbers.notna()
            self._refuse(table, name, odd, f"among {(given & ~odd).sum()} other cells")
        elif (odd := given & looks_like_a_number(cells)).any():
            self._refuse(table, name, odd, "which is no number as it is written")
        return texts

    def _refuse(self, table: TextTable, name: str, odd: pd.Series, where: str) -> None:
        """Refuse a column, with its first odd cell and the ways out."""
        line = odd.idxmax()
        raise ValueError(
            f"Expected column '{name}' of '{self.path}' to hold numbers alone or texts alone, got "
            f"{table.cells.at[line, name]!r:.80} in line {line}, {where}. Write numbers like "
            "-1.5 or 2e3 and leave the cell empty where a value is missing; or name the column in "
            "`categories` if its cells are names of kinds, or in `ignore`."
        )

    def _check_count(self, table: TextTable, name: str) -> None:
        cells = table.column(name)
        known = sorted(cells[~is_missing(cells)].unique())
        if len(known) > self.max_categories:
            listed = ", ".join(repr(cell[:40]) for cell in known[:_SHOWN])
            raise ValueError(
                f"Expected column '{name}' of '{self.path}' to hold numbers, or at most "
                f"{self.max_categories} different texts (`max_categories`), got {len(known)}: "
                f"{listed}, ... The first is {cells.iloc[0]!r:.80} in line {cells.index[0]}. Name "
                "the column in `ignore` if it is of no use."
            )


def _log_missing(table: TextTable, names: list[str]) -> None:
    """Say which texts were taken for no value; empty cells speak for themselves."""
    cells = table.cells[names]
    marked = cells.apply(is_missing) & (cells != "")
    for name in marked.columns[marked.any()]:
        line = marked[name].idxmax()
        log_once(
            f"'{table.path}': {marked[name].sum()} cells of column '{name}', the first "
            f"{cells.at[line, name]!r} in line {line}, count as missing values."
        )
