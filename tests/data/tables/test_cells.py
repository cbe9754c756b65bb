"""What is a number, what is no value, and what only looks like a number."""

import io
import math
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.data.tables.cells import is_missing, looks_like_a_number, parse_numbers


def _cells(*texts):
    return pd.Series(texts, dtype=object)


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_read_to_the_last_bit(values):
    cells = _cells(*map(repr, values))
    numbers = parse_numbers(cells)
    assert numbers.tolist() == values
    text = io.StringIO("x\n" + "\n".join(cells))
    by_pandas = pd.read_csv(text, dtype=np.float64, float_precision="round_trip")["x"]
    assert numbers.tolist() == by_pandas.tolist()


@pytest.mark.parametrize("text", ["7", "-7", "+7", "007", "7.", ".5", "-.5", "1e3", "1.5E-3"])
def test_a_number_is_what_python_reads_too(text):
    assert parse_numbers(_cells(text)).tolist() == [float(text)]


SLIPS = [
    *["1_2", "1__2", "1_000.5", "1,5", "1,000", "1.000,5", "1'000", "1 000", "5%", "5 %"],
    *["$3", "3 €", "\u22125", "\uff11\uff12", "\u0661\u0662", "\u0967", "inf", "-Infinity", "INF"],
    *["1e999", "-1e400", "1.2.3"],
]
TEXTS = [
    "-",
    "_1",
    "--",
    "e5",
    "0x10",
    "1e",
    "red",
    "20-30",
    "65+",
    "5 kg",
    "2020-01-05",
    "True",
    ".",
]


@pytest.mark.parametrize("text", SLIPS)
def test_what_is_badly_written_is_no_number_but_looks_like_one(text):
    assert math.isnan(parse_numbers(_cells(text))[0])
    assert looks_like_a_number(_cells(text))[0]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_do_not_look_like_numbers(text):
    assert math.isnan(parse_numbers(_cells(text))[0])
    assert not looks_like_a_number(_cells(text))[0]


@settings(deadline=None)
@given(st.text(min_size=1, max_size=6))
def test_no_number_is_made_of_digits_of_other_scripts(text):
    odd = any(not character.isascii() for character in unicodedata.normalize("NFC", text))
    if odd or "_" in text:
        assert math.isnan(parse_numbers(_cells(text))[0])


def test_missing_values_are_those_of_pandas_and_a_question_mark():
    texts = ["", "NA", "N/A", "#N/A", "#N/A N/A", "#NA", "<NA>", "nan", "NaN", "-nan", "None"]
    texts += ["null", "NULL"]
    assert is_missing(_cells(*texts, "?")).all()
    assert pd.read_csv(io.StringIO("x,y\n" + "\n".join(f"{t},1" for t in texts)))["x"].isna().all()
    assert not is_missing(_cells("-", "0", "missing", "nah", "#")).any()
