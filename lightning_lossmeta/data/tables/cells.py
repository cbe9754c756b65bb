"""What the text in a cell stands for: a number, no value, or itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: What stands for no value, in lower case: what pandas takes for it, and a question mark.
MISSING = frozenset(
    {"", "?", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "nan", "-nan", "none", "null"}
)
_DIGITS = r"[0-9]+\.?[0-9]*|\.[0-9]+"
_NUMBER = rf"[+-]?(?:{_DIGITS})(?:[eE][+-]?[0-9]+)?"
# Digits of any script between a currency, separators of thousands and a percent sign.
_LOOKS_LIKE_A_NUMBER = r"[+\-\u2212]?\s*[$€£¥]?\s*[.,]?\d[\d.,_'\s]*(?:[eE][+-]?\d+)?\s*[%$€£¥]?"
_INFINITE = r"[+-]?inf(?:inity)?"


def is_missing(cells: pd.Series) -> pd.Series:
    """Whether each cell stands for no value: one of :data:`MISSING`, in any case.

    >>> is_missing(pd.Series(["", "NaN", "-", "0"])).tolist()
    [True, True, False, False]
    """
    return cells.str.lower().isin(MISSING)


def parse_numbers(cells: pd.Series) -> pd.Series:
    """The number in each cell, NaN where there is none.

    Numbers are ASCII digits with a decimal point and an exponent if need be, and finite. What
    Python's ``float`` reads besides (``1_000``, digits of other scripts, ``inf``) is none.

    >>> parse_numbers(pd.Series(["-.5", "2e3", "1_2", "inf", "1e999", "5%"])).tolist()
    [-0.5, 2000.0, nan, nan, nan, nan]
    """
    numbers = cells.astype(object).where(cells.str.fullmatch(_NUMBER)).astype(np.float64)
    return numbers.where(np.isfinite(numbers))


def looks_like_a_number(cells: pd.Series) -> pd.Series:
    """Whether a person would read each cell as a number, well written or not.

    >>> looks_like_a_number(pd.Series(["1,5", "5 %", "$3", "1_2", "inf", "20-30", "red"])).tolist()
    [True, True, True, True, True, False, False]
    """
    return cells.str.fullmatch(rf"(?i:{_INFINITE})|{_LOOKS_LIKE_A_NUMBER}")
