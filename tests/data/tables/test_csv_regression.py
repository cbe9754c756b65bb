"""A user's own table."""

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from lightning_lossmeta.data import TableDataModule
from lightning_lossmeta.data.tables import logs

ROWS = 50


def _cells():
    """Two columns of numbers, one of texts, and a target that depends on all."""
    generator = np.random.default_rng(3)
    area = generator.normal(80, 20, ROWS).round(3)
    age = generator.integers(0, 90, ROWS).astype(float)
    colour = np.array(["red", "green", "blue"])[np.arange(ROWS) % 3]
    price = 3 * area - age + 10 * (colour == "red")
    return {"area": area, "colour": colour, "age": age, "price": price}


def _write(path, columns, delimiter=","):
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def homes(tmp_path):
    return _write(tmp_path / "homes.csv", _cells())


@pytest.fixture
def said(monkeypatch):
    messages = []
    monkeypatch.setattr(logs, "rank_zero_info", messages.append)
    return messages


def _whole(splits):
    """All rows in the order of the file."""
    parts = [part for _, part in splits.named()]
    order = torch.cat([part.indices for part in parts]).argsort()
    inputs, targets = (
        torch.cat([getattr(part, k) for part in parts]) for k in ("inputs", "targets")
    )
    return inputs[order].double().numpy(), targets[order].double().numpy()


def test_numbers_are_standardised_by_the_training_rows_alone(homes, said):
    data = TableDataModule(homes, "price")
    splits = data.splits
    train = splits.train.indices.numpy()
    cells = _cells()
    numbers = np.stack([cells["area"], cells["age"]], axis=1)
    expected = StandardScaler().fit(numbers[train]).transform(numbers)
    target = cells["price"][:, None]
    inputs, targets = _whole(splits)
    assert np.allclose(inputs[:, :2], expected, atol=1e-5)
    assert np.allclose(targets, StandardScaler().fit(target[train]).transform(target), atol=1e-5)
    assert not np.allclose(inputs[:, :2].mean(axis=0), 0, atol=1e-3)  # not by all rows
    mean, std = data.target_scale
    assert np.allclose(targets[:, 0] * std + mean, cells["price"], atol=1e-3)


def test_shapes_and_types_are_those_of_a_regression(homes, said):
    splits = TableDataModule(homes, "price").splits
    sizes = [len(part.targets) for _, part in splits.named()]
    assert sizes == [30, 10, 10]
    for _, part in splits.named():
        assert part.inputs.dtype == part.targets.dtype == torch.float32
        assert part.targets.shape == (len(part.inputs), 1)


def test_texts_become_indicators_and_it_is_said(homes, said):
    data = TableDataModule(homes, "price")
    names = ("area", "age", "colour=blue", "colour=green", "colour=red")
    assert data.feature_names == names
    inputs, _ = _whole(data.splits)
    for place, colour in ((2, "blue"), (3, "green"), (4, "red")):
        assert np.array_equal(inputs[:, place], (_cells()["colour"] == colour).astype(float))
    (text,) = said
    assert "colour became 3 inputs of 0 and 1" in text
    assert "a network needs 5 inputs" in text


def test_missing_numbers_take_the_training_median_and_it_is_said(tmp_path, said):
    cells = _cells()
    holes = {0: "", 7: "NA", 8: "nan", 20: "?", 41: "NULL"}
    area = [holes.get(place, value) for place, value in enumerate(cells["area"])]
    path = _write(tmp_path / "x.csv", {"area": area, "age": cells["age"], "price": cells["price"]})
    splits = TableDataModule(path, "price", split_seed=2).splits
    train = splits.train.indices.numpy()
    numbers = np.array([math.nan if place in holes else v for place, v in enumerate(cells["area"])])
    full = SimpleImputer(strategy="median").fit(numbers[train, None]).transform(numbers[:, None])
    expected = StandardScaler().fit(full[train]).transform(full)
    assert np.allclose(_whole(splits)[0][:, :1], expected, atol=1e-5)
    assert said == [
        f"'{path}': 4 cells of column 'area', the first 'NA' in line 9, count as missing values.",
        f"'{path}': 5 missing values took the training rows' median (area 5).",
    ]


def test_a_missing_text_has_no_indicator(tmp_path, said):
    cells = _cells()
    cells["colour"] = ["", "n/a", *cells["colour"][2:]]
    data = TableDataModule(_write(tmp_path / "x.csv", cells), "price")
    inputs, _ = _whole(data.splits)
    assert (inputs[:2, 2:] == 0).all()
    assert (inputs[2:, 2:].sum(axis=1) == 1).all()


def test_splits_share_no_row_and_hold_all(homes, said):
    for seed in range(5):
        splits = TableDataModule(homes, "price", split_seed=seed).splits
        rows = torch.cat([part.indices for _, part in splits.named()])
        assert rows.sort().values.tolist() == list(range(ROWS))
    one, other = (TableDataModule(homes, "price", split_seed=seed).splits for seed in (0, 1))
    assert one.test.indices.tolist() != other.test.indices.tolist()
    again = TableDataModule(homes, "price", split_seed=0).splits
    assert torch.equal(one.train.inputs, again.train.inputs)


def test_fractions(homes, said):
    splits = TableDataModule(homes, "price", val_fraction=0.1, test_fraction=0.3).splits
    assert [len(part.targets) for _, part in splits.named()] == [30, 5, 15]


def test_train_size_keeps_some_rows_in_the_same_units(homes, said):
    whole = TableDataModule(homes, "price").splits
    part = TableDataModule(homes, "price", train_size=12).splits
    assert len(part.train.targets) == 12
    assert set(part.train.indices.tolist()) < set(whole.train.indices.tolist())
    assert torch.equal(part.test.targets, whole.test.targets)


def test_a_column_that_never_changes_is_zero(tmp_path, said):
    cells = _cells() | {"same": [0.1] * ROWS}
    inputs, _ = _whole(TableDataModule(_write(tmp_path / "x.csv", cells), "price").splits)
    assert (inputs[:, 2] == 0).all()
    assert np.isfinite(inputs).all()


def test_columns_to_ignore_and_other_delimiters(tmp_path, said):
    path = _write(tmp_path / "x.csv", _cells(), delimiter=";")
    data = TableDataModule(path, "price", ignore=["colour"], delimiter=";")
    assert data.feature_names == ("area", "age")
    assert said == []


def test_quoted_cells_empty_lines_and_a_byte_order_mark(tmp_path, said):
    lines = ['\ufeff"size, m2",price', *(f'{n} , "{n * n}"' for n in range(10)), "", " , "]
    path = tmp_path / "x.csv"
    path.write_text("\r\n".join(lines), encoding="utf-8")
    data = TableDataModule(str(path), "price")
    assert data.feature_names == ("size, m2",)
    assert sum(len(part.targets) for _, part in data.splits.named()) == 10


def test_the_command_line_builds_it_and_its_arguments(homes, said):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    given = ["--data", "lightning_lossmeta.data.TableDataModule", "--data.path", homes]
    given += ["--data.target", "price", "--data.batch_size", "7", "--data.test_fraction", "0.1"]
    data = parser.instantiate_classes(parser.parse_args(given)).data
    assert isinstance(data, TableDataModule)
    assert (data.batch_size, len(data.splits.test.targets)) == (7, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name its columns in the first line, got nothing"),
        ("a,b\n", "lines below that of the names, got none"),
        ("a,b,a\n1,2,3\n", "different names, got a more than once"),
        ("a,,b\n1,2,3\n", "column 2 has none"),
        ("a,b\n1,2\n3,4\n5\n", "2 cells in every line .* got 1 in line 4"),
        ("a,b\n1,2\n\n3,4,5\n", "2 cells in every line .* got 3 in line 4"),
        ('a,b\n1,"2\n', r"line 2 can't be read: unexpected end of data"),
        ("a;b\n1;2\n", "at least 2 columns .* Give ';' as `delimiter`"),
        ("b,c\n1,2\n2,4\n", r"the one|to have a target 'a', got 2 others \(b, c\)"),
        ("b,aa\n1,2\n2,4\n", r"target 'a'.* Did you mean 'aa'"),
        ("a,b\n1,2\nx,3\n", "the target 'a' .* hold numbers, got 'x' in line 3"),
        ("a,b\n1,2\n2,3\n,4\n", "the target 'a' .* value in every line, got '' in line 4"),
        ("a,b\n1,2\ninf,3\n", "got 'inf' in line 3"),
        ("a,b\n1,\n2,NA\n", "column 'b' .* to hold values, got none: name it in `ignore`"),
        (
            "a,b\n1,2\n2,3\n3,4\n",
            "x.csv' to have at least 2 rows for training .* got 3 rows, which make 1, 1 and 1",
        ),
        ("a,b\n" + "5,1\n5,2\n" * 9, "differ among the training rows, got 5 in all"),
        (
            "a,b\n" + "".join(f"{n},{n}e306\n" for n in range(20)),
            "numbers that can be standardised",
        ),
        ("a\tb\n", "Give '.t' as `delimiter`"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, said, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        TableDataModule(str(path), "a").setup()


def test_what_is_no_file_or_no_text(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"at '.*none\.csv', found none"):
        TableDataModule(str(tmp_path / "none.csv"), "a").setup()
    with pytest.raises(FileNotFoundError, match="found a folder"):
        TableDataModule(str(tmp_path), "a").setup()
    (tmp_path / "x.csv").write_bytes(b"a,b\n1,\xff\xfe\n")
    with pytest.raises(ValueError, match="UTF-8"):
        TableDataModule(str(tmp_path / "x.csv"), "a").setup()


def test_a_column_with_too_many_texts_is_named_with_the_first(tmp_path, said):
    cells = _cells() | {"id": [f"house {n:02}" for n in range(ROWS)]}
    path = _write(tmp_path / "x.csv", cells)
    message = r"column 'id' .* at most 32 .* got 50: 'house 00', .* is 'house 00' in line 2"
    with pytest.raises(ValueError, match=message):
        TableDataModule(path, "price").setup()
    TableDataModule(path, "price", max_categories=50).setup()
    TableDataModule(path, "price", ignore=["id"]).setup()


def test_a_column_without_a_value_among_the_training_rows_is_refused(tmp_path, said):
    cells = _cells()
    splits = TableDataModule(_write(tmp_path / "y.csv", cells), "price").splits
    train = set(splits.train.indices.tolist())
    cells["rare"] = ["" if place in train else 1.5 for place in range(ROWS)]
    with pytest.raises(ValueError, match=r"column 'rare' .* in some training row"):
        TableDataModule(_write(tmp_path / "x.csv", cells), "price").setup()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"val_fraction": 0.0}, r"`val_fraction` to be in \(0, 1\), got 0\.0"),
        ({"test_fraction": math.nan}, r"`test_fraction` to be in \(0, 1\), got nan"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave rows to train on, got 0.5 and 0.5"),
        ({"split": "leaky"}, "'disjoint' or 'published', got 'leaky'"),
        ({"max_categories": 1}, "`max_categories` to be an integer of at least 2, got 1"),
        ({"delimiter": "::"}, "`delimiter` to be one character, got '::'"),
        ({"ignore": ["price"]}, "`ignore` not to name the target"),
        ({"batch_size": 0}, "`batch_size`"),
    ],
)
def test_arguments_out_of_range_are_refused_before_reading(arguments, message):
    with pytest.raises(ValueError, match=message):
        TableDataModule("nowhere.csv", "price", **arguments)


def test_a_column_to_ignore_that_is_not_there(homes):
    with pytest.raises(ValueError, match=r"column to ignore 'color'.* Did you mean 'colour'"):
        TableDataModule(homes, "price", ignore=["color"]).setup()
