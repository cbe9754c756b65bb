"""Tables in text files."""

from __future__ import annotations

import csv
import difflib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: What stands for no value, in lower case.
MISSING = frozenset({"", "?", "na", "n/a", "nan", "none", "null"})
#: Columns that a message lists.
_SHOWN = 12


@dataclass(frozen=True)
class TextTable:
    """The cells of a file as they stand there.

    Args:
        path: Of the file.
        columns: Cells by column name, spaces around them removed.
        lines: In which line of the file each row ends.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def named(self, name: str, what: str = "column") -> list[str]:
        """The cells of a column.

        Args:
            name: Of the column.
            what: It is, for the message.

        Raises:
            ValueError: If there is none of this name; names the nearest.
        """
        if name not in self.columns:
            known = list(self.columns)
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            listed = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
            raise ValueError(
                f"Expected '{self.path}' to have a {what} '{name}', got {len(known)} others "
                f"({listed}).{hint}"
            )
        return self.columns[name]

    def numbers(self, name: str, what: str = "column") -> NDArray[np.float64]:
        """A column of numbers, NaN where there is no value.

        Args:
            name: Of the column.
            what: It is, for the message.

        Raises:
            ValueError: If there is no such column, or a cell holds something else; names its line.
        """
        cells = self.named(name, what)
        found, texts = parsed(cells)
        if texts:
            raise ValueError(
                f"Expected the {what} '{name}' of '{self.path}' to hold numbers, got "
                f"{cells[texts[0]]!r:.80} in line {self.lines[texts[0]]}."
            )
        return found

    def complete(self, name: str, what: str = "column") -> NDArray[np.float64]:
        """A column of numbers without gaps.

        Raises:
            ValueError: As :meth:`numbers`, or if a value is missing; names its line.
        """
        found = self.numbers(name, what)
        for place in np.flatnonzero(np.isnan(found)):
            raise ValueError(
                f"Expected the {what} '{name}' of '{self.path}' to have a value in every line, got "
                f"{self.columns[name][place]!r} in line {self.lines[place]}. Remove such lines."
            )
        return found


def read_table(path: Path, delimiter: str = ",") -> TextTable:
    """Read a file whose first line names the columns; empty lines are passed over.

    Args:
        path: A text file in UTF-8.
        delimiter: What stands between cells.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no table; says in which line and why.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "none"
        raise FileNotFoundError(f"Expected a table (a CSV file) at '{path}', found {found}.")
    rows, lines = [], []
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append([cell.strip() for cell in row])
                    lines.append(reader.line_num)
        except UnicodeDecodeError:
            raise ValueError(f"Expected '{path}' to be text in UTF-8, got other bytes.") from None
        except csv.Error as error:
            raise ValueError(
                f"Expected '{path}' to be a CSV file, but line {reader.line_num} can't be read: "
                f"{error}."
            ) from None
    if not rows:
        raise ValueError(f"Expected '{path}' to name its columns in the first line, got nothing.")
    header = rows[0]
    _check_header(path, header, delimiter)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise ValueError(
                f"Expected {len(header)} cells in every line of '{path}', one a column, got "
                f"{len(row)} in line {line}."
            )
    if len(rows) == 1:
        raise ValueError(f"Expected '{path}' to have lines below that of the names, got none.")
    columns = {name: [row[place] for row in rows[1:]] for place, name in enumerate(header)}
    return TextTable(path, columns, lines[1:])


def parsed(cells: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
    """Numbers, and where cells hold something else.

    Args:
        cells: Of a column.

    Returns:
        (N,), NaN where there is no finite number, and the positions of those that are not
        :data:`MISSING` either.

    >>> numbers, texts = parsed(["1", "NA", "2e3", "red", "inf"])
    >>> numbers.tolist(), texts
    ([1.0, nan, 2000.0, nan, nan], [3, 4])
    """
    found = np.full(len(cells), math.nan)
    texts = []
    for place, cell in enumerate(cells):
        if missing(cell):
            continue
        try:
            number = float(cell)
        except ValueError:
            number = math.inf
        if math.isfinite(number):
            found[place] = number
        else:
            texts.append(place)
    return found, texts


def missing(cell: str) -> bool:
    """Whether a cell holds no value."""
    return cell.lower() in MISSING


def _check_header(path: Path, header: list[str], delimiter: str) -> None:
    if "" in header:
        raise ValueError(
            f"Expected every column of '{path}' to have a name in line 1, but column "
            f"{header.index('') + 1} has none. (pandas writes its index so: use index=False.)"
        )
    if twice := _repeated(header):
        raise ValueError(
            f"Expected the columns of '{path}' to have different names, got "
            f"{', '.join(twice)} more than once."
        )
    if len(header) == 1:
        others = [mark for mark in (";", "\t", "|", ",") if mark in header[0] and mark != delimiter]
        hint = f" Give {others[0]!r} as `delimiter`?" if others else ""
        raise ValueError(
            f"Expected '{path}' to have at least 2 columns between which stands {delimiter!r}, got "
            f"the one {header[0]!r:.80}.{hint}"
        )


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
