"""Tables in text files, cell by cell as they stand there."""

from __future__ import annotations

import csv
import difflib
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lightning_lossmeta.data.tables.cells import is_missing, parse_numbers

#: Columns that a message lists.
_SHOWN = 12


@dataclass(frozen=True)
class TextTable:
    """The cells of a file as they stand there.

    Args:
        path: Where the file is.
        cells: Texts without the spaces around them, by the names of the columns. The index holds
            the line of the file in which each row begins.
    """

    path: Path
    cells: pd.DataFrame

    def column(self, name: str, role: str = "column") -> pd.Series:
        """Return the cells of a column.

        Args:
            name: The name of the column.
            role: What the message calls it.

        Raises:
            ValueError: If there is none of this name; names the nearest.
        """
        if name not in self.cells:
            known = list(self.cells)
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            listed = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
            raise ValueError(
                f"Expected '{self.path}' to have a {role} '{name}', got {len(known)} others "
                f"({listed}).{hint}"
            )
        return self.cells[name]

    def complete(self, name: str, role: str = "column") -> pd.Series:
        """Return the cells of a column that lacks no value.

        Raises:
            ValueError: If there is no such column, or a value is missing; names its line.
        """
        cells = self.column(name, role)
        gaps = is_missing(cells)
        if gaps.any():
            line = gaps.idxmax()
            raise ValueError(
                f"Expected the {role} '{name}' of '{self.path}' to have a value in every line, got "
                f"{cells[line]!r} in line {line}. Fill it in, or remove such lines."
            )
        return cells

    def numbers(self, name: str, role: str = "column") -> pd.Series:
        """Return a column of numbers, NaN where there is no value.

        Raises:
            ValueError: If there is no such column, or a cell holds something else; names its line.
        """
        cells = self.column(name, role)
        numbers = parse_numbers(cells)
        others = numbers.isna() & ~is_missing(cells)
        if others.any():
            line = others.idxmax()
            raise ValueError(
                f"Expected the {role} '{name}' of '{self.path}' to hold numbers, got "
                f"{cells[line]!r:.80} in line {line}. Write finite numbers like -1.5 or 2e3."
            )
        return numbers

    def complete_numbers(self, name: str, role: str = "column") -> pd.Series:
        """Return a column of numbers without gaps.

        Raises:
            ValueError: As :meth:`complete` and :meth:`numbers`.
        """
        self.complete(name, role)
        return self.numbers(name, role)


def read_table(path: Path, delimiter: str = ",") -> TextTable:
    """Read a file whose first line names the columns; empty lines are passed over.

    The cells are separated by the standard library: ``pandas.read_csv`` fills short rows up, takes
    the first column for an index where rows are longer than the header, renames what is named
    twice, reads ``"1"2`` as 12, and counts a row over two lines as one.

    Args:
        path: A text file in UTF-8, with or without a byte order mark.
        delimiter: The character between two cells.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no table; says in which line and why.
    """
    rows = _rows(path, _decoded(path), delimiter)
    if not rows:
        raise ValueError(f"Expected '{path}' to name its columns in the first line, got nothing.")
    first, *others = rows
    header = rows[first]
    _check_header(path, header, delimiter)
    for line in others:
        if len(rows[line]) != len(header):
            raise ValueError(
                f"Expected {len(header)} cells in every line of '{path}', one a column, got "
                f"{len(rows[line])} in line {line}. Put a cell that holds {delimiter!r} between "
                "double quotes."
            )
        if rows[line] == header:
            raise ValueError(
                f"Expected '{path}' to name its columns once, but line {line} repeats line "
                f"{first}: remove it."
            )
    if not others:
        raise ValueError(f"Expected '{path}' to have lines below that of the names, got none.")
    cells = pd.DataFrame([rows[line] for line in others], others, header, dtype=object)
    return TextTable(path, cells)


def _decoded(path: Path) -> str:
    """Read a file and decode its text."""
    if not path.is_file():
        instead = "a folder" if path.is_dir() else "none"
        raise FileNotFoundError(f"Expected a table (a CSV file) at '{path}', found {instead}.")
    data = path.read_bytes()
    text = ""
    try:
        text = data.decode("utf-8-sig")
        wrong = data.find(0)  # UTF-16 without a mark is valid UTF-8 full of these
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        raise ValueError(
            f"Expected '{path}' to be text in UTF-8, got byte 0x{data[wrong]:02x} in line "
            f"{data.count(10, 0, wrong) + 1}. Save it again as UTF-8: a spreadsheet offers 'CSV "
            "UTF-8'."
        )
    return text


def _rows(path: Path, text: str, delimiter: str) -> dict[int, list[str]]:
    """The rows of a text, each a list of cells, by the line in which they begin."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = {}
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows[line] = cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"Expected '{path}' to be a CSV file, but the row in line {line} can't be read: "
            f"{error}. Is a double quote missing there, or one too many?"
        ) from None
    return rows


def _check_header(path: Path, header: list[str], delimiter: str) -> None:
    if "" in header:
        raise ValueError(
            f"Expected every column of '{path}' to have a name in line 1, but column "
            f"{header.index('') + 1} has none. (A {delimiter!r} at the end of the line makes one, "
            "and so does pandas for its index, if not told index=False.)"
        )
    if twice := [name for name, count in Counter(header).items() if count > 1]:
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
