"""Which columns are numbers and which are texts, and which cell is at fault."""

import pytest

from lightning_lossmeta.data.tables import logs
from lightning_lossmeta.data.tables.table_file import TableFile

SLIPS = [
    "-",
    "#REF!",
    "1,5",
    "5%",
    "1_2",
    "\uff11\uff12",
    "inf",
    "1e999",
    "0x10",
    "$3",
    "n.d.",
    "y",
]


def _file(tmp_path, column, **arguments):
    path = tmp_path / "x.csv"
    lines = [f'"{cell}",{n}' for n, cell in enumerate(column)]
    path.write_text("\n".join(["x,y", *lines]), encoding="utf-8")
    return TableFile(str(path), "y", **arguments)


def _column(file):
    return file.features(file.read())["x"]


@pytest.mark.parametrize("odd", SLIPS)
@pytest.mark.parametrize("row", [0, 3, 19])
def test_an_odd_cell_among_numbers_is_named_with_its_place(tmp_path, odd, row):
    column = [str(n / 4) for n in range(20)]
    column[row] = odd
    file = _file(tmp_path, column)
    with pytest.raises(ValueError, match="numbers alone or texts alone") as error:
        _column(file)
    text = str(error.value)
    assert f"column 'x' of '{file.path}'" in text
    assert f"got {odd!r} in line {row + 2}, among 19 other cells" in text
    assert "leave the cell empty" in text
    assert "`categories`" in text


def test_the_odd_one_is_the_rarer_kind(tmp_path):
    with pytest.raises(ValueError, match="got '7' in line 4, among 5 other cells"):
        _column(_file(tmp_path, ["red", "blue", "7", "red", "red", "", "red"]))


@pytest.mark.parametrize(
    "column", [["1,5", "2,7"], ["5%", "10 %"], ["\uff11", "\uff12"], ["a", "$3"]]
)
def test_a_column_of_badly_written_numbers_is_no_column_of_texts(tmp_path, column):
    odd = column[-1] if column[0] == "a" else column[0]
    line = 3 if column[0] == "a" else 2
    with pytest.raises(ValueError, match="no number as it is written") as error:
        _column(_file(tmp_path, column))
    assert f"got {odd!r} in line {line}," in str(error.value)


@pytest.mark.parametrize(
    "column", [["1", "2", "3+"], ["1,5", "2,5"], ["07", "7", ""], ["1_2", "5%"]]
)
def test_what_is_declared_a_category_is_text(tmp_path, column):
    texts = _column(_file(tmp_path, column, categories=["x"]))
    assert texts.dropna().tolist() == [cell for cell in column if cell]


@pytest.mark.parametrize("marker", ["NA", "#N/A", "nan", "NULL", "?", "<NA>"])
@pytest.mark.parametrize("others", [["1.5", "2"], ["red", "blue"]])
def test_missing_values_are_named_with_the_first(tmp_path, monkeypatch, marker, others):
    messages = []
    monkeypatch.setattr(logs, "rank_zero_info", messages.append)
    file = _file(tmp_path, [*others, marker, "", marker])
    assert _column(file).isna().tolist() == [False, False, True, True, True]
    assert messages[0] == (
        f"'{file.path}': 2 cells of column 'x', the first {marker!r} in line 4, count as missing "
        "values."
    )


def test_an_empty_column_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"column 'x' .* to hold values, got none: name it in `ign"
    ):
        _column(_file(tmp_path, ["", "NA", "?"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"delimiter": '"'}, "`delimiter` to be one character"),
        ({"delimiter": "\n"}, "`delimiter` to be one character"),
        ({"delimiter": "\\t"}, r"got '\\\\t'.*in YAML"),
        ({"ignore": "x"}, "`ignore` to be a list of names of columns, got 'x'"),
        ({"categories": [1]}, r"`categories` to be a list of names of columns, got \[1\]"),
        ({"ignore": ["y"]}, "`ignore` not to name the target"),
        ({"max_categories": 1}, "`max_categories` to be an integer of at least 2"),
    ],
)
def test_arguments_are_refused_before_reading(arguments, message):
    with pytest.raises(ValueError, match=message):
        TableFile("nowhere.csv", "y", **arguments)


def test_columns_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"have a category 'xx'.* Did you mean 'x'"):
        _file(tmp_path, ["1"], categories=["xx"]).read()


def test_the_home_folder(tmp_path, monkeypatch):
    _file(tmp_path, ["1", "2"])
    monkeypatch.setenv("HOME", str(tmp_path))
    file = TableFile("~/x.csv", "y")
    assert _column(file).tolist() == [1, 2]
