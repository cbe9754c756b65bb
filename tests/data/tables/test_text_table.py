"""Files of text: what is read, and what is refused in which line."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.data.tables.text_table import read_table

PLAIN = "a,b\n1,x\n2,y\n"
WRONG_BYTES = [
    PLAIN.encode("utf-16"),
    PLAIN.encode("utf-16-le"),
    PLAIN.encode("utf-16-be"),
    PLAIN.encode("utf-32"),
    b"a,b\n1,x\n2,\xe9\n",
    b"a,b\n1,\x00\n2,y\n",
    b"PK\x03\x04\x14\x00\x06\x00",
]


def _read(tmp_path, content, **arguments):
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, **arguments)


def _cells(table):
    return {name: table.cells[name].tolist() for name in table.cells}


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        (PLAIN, ","),
        ("\ufeff" + PLAIN, ","),
        (PLAIN.replace("\n", "\r\n"), ","),
        (PLAIN.replace("\n", "\r"), ","),
        (PLAIN.rstrip("\n"), ","),
        ("\n\n" + PLAIN + "\n \n,\n", ","),
        (PLAIN.replace(",", ";"), ";"),
        (PLAIN.replace(",", "\t"), "\t"),
        (PLAIN.replace(",", " | "), "|"),
        ('"a", "b"\n"1", "x"\n 2 ,y', ","),
    ],
)
def test_the_same_table_in_many_hands(tmp_path, content, delimiter):
    table = _read(tmp_path, content, delimiter=delimiter)
    assert _cells(table) == {"a": ["1", "2"], "b": ["x", "y"]}


def test_lines_are_those_where_rows_begin(tmp_path):
    table = _read(tmp_path, 'a,b\n"1\n2",x\n\n3,"y\r\nz"\n4,w\n')
    assert table.cells.index.tolist() == [2, 5, 7]
    assert _cells(table) == {"a": ["1\n2", "3", "4"], "b": ["x", "y\r\nz", "w"]}
    with pytest.raises(ValueError, match="hold numbers, got 'x' in line 2"):
        table.numbers("b")


def test_nothing_is_taken_for_a_missing_value_or_a_number_yet(tmp_path):
    table = _read(tmp_path, "a,b\nNA,007\n,1e5\n")
    assert _cells(table) == {"a": ["NA", ""], "b": ["007", "1e5"]}


@pytest.mark.parametrize("content", WRONG_BYTES)
def test_what_is_no_utf_8_is_refused_with_the_line(tmp_path, content):
    with pytest.raises(ValueError, match=r"x\.csv' to be text in UTF-8, got byte 0x.. in line \d"):
        _read(tmp_path, content)


def test_the_line_of_a_wrong_byte(tmp_path):
    for content in WRONG_BYTES[4:5]:
        with pytest.raises(ValueError, match="byte 0xe9 in line 3"):
            _read(tmp_path, content)
    with pytest.raises(ValueError, match="byte 0x00 in line 2"):
        _read(tmp_path, WRONG_BYTES[5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,\n1,2,\n", "column 3 has none. .A ',' at the end of the line makes one"),
        ("a,b\n1,2,\n3,4,\n", "Expected 2 cells .* got 3 in line 2"),
        ("a,b\n1,2\n3\n", "Expected 2 cells .* got 1 in line 3"),
        ("a,b\n1,2\n3,4,5\n", "Expected 2 cells .* got 3 in line 3"),
        ("a,b,c\n1,5,2\n1,5,2,5\n", "Expected 3 cells .* got 4 in line 3"),
        ("a,b,a\n1,2,3\n", "different names, got a more than once"),
        ("a, a \n1,2\n", "different names, got a more than once"),
        ("a,b\n1,2\na,b\n3,4\n", "name its columns once, but line 3 repeats line 1"),
        ("\na,b\nx,y\n\n a , b \n", "name its columns once, but line 5 repeats line 2"),
        ('a,b\n1,"2\n3,4\n', "row in line 2 can't be read: unexpected end of data"),
        ('a,b\n1,2\n"1"2,3\n', "row in line 3 can't be read: ',' expected"),
        ("a,b\n1,2\n3," + "x" * 200_000 + "\n", "row in line 3 .* field larger than field limit"),
        ("a;b\n1;2\n", "Give ';' as `delimiter`"),
        ("a\tb\n1\t2\n", r"Give '\\t' as `delimiter`"),
        ("\ufeff", "in the first line, got nothing"),
        (" \n\n,,\n", "in the first line, got nothing"),
    ],
)
def test_what_is_no_table_is_refused_with_the_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as error:
        _read(tmp_path, content)
    assert str(tmp_path / "x.csv") in str(error.value)
    assert len(str(error.value)) < 500


_cell = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@settings(deadline=None)
@given(st.data())
def test_what_pandas_writes_is_read_again(tmp_path_factory, data):
    names = data.draw(
        st.lists(_cell.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True)
    )
    row = st.lists(_cell.map(str.strip), min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(row.filter(lambda r: any(r) and r != names), min_size=1, max_size=5))
    delimiter = data.draw(st.sampled_from(",;\t|"))
    written = io.StringIO()
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    frame.to_csv(written, index=False, sep=delimiter, quoting=csv.QUOTE_ALL)
    path = tmp_path_factory.mktemp("x") / "x.csv"
    path.write_bytes(written.getvalue().encode())
    table = read_table(path, delimiter)
    assert list(table.cells) == names
    assert table.cells.to_numpy().tolist() == rows
