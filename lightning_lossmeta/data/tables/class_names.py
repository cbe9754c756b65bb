"""The classes that a column holds."""

from __future__ import annotations

import pandas as pd

from lightning_lossmeta.data.tables.table_file import TableFile
from lightning_lossmeta.data.tables.text_table import TextTable

#: Spellings that a message lists.
_SHOWN = 6


def class_names(file: TableFile, table: TextTable) -> tuple[str, ...]:
    """The different cells of the target column: texts by the alphabet, whole numbers by size.

    Args:
        file: Names the target, and whether it is to be read as text whatever it looks like.
        table: What ``file`` read.

    Raises:
        ValueError: If a value is missing, numbers are not whole or stand beside texts, or one class
            is written in several ways (``1`` and ``1.0``).
    """
    target, path = file.target, file.path
    names = table.complete(target, "target").drop_duplicates()
    keys = file.typed(table, target)[names.index]
    if pd.api.types.is_numeric_dtype(keys):
        broken = keys != keys.round()
        if broken.any():
            line = broken.idxmax()
            raise ValueError(
                f"Expected the target '{target}' of '{path}' to hold texts or whole numbers, got "
                f"{names[line]!r} in line {line}. To predict a number, take TableDataModule."
            )
        again = keys.duplicated(keep=False)
        if again.any():
            spellings = ", ".join(map(repr, names[again][:_SHOWN]))
            raise ValueError(
                f"Expected each class in the target '{target}' of '{path}' to be written in one "
                f"way, got {spellings}."
            )
    return tuple(names[keys.sort_values().index])
