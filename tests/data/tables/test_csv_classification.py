"""A user's own table with a class to predict."""

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from sklearn.utils.class_weight import compute_class_weight

from lightning_lossmeta import (
    SymmetricNoise,
    TableClassificationDataModule,
    TableDataModule,
    TransitionNoise,
)
from lightning_lossmeta.__main__ import main
from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.data.tables import logs

FRUIT = str(Path(__file__).parent / "fruit.csv")
CONFIG = Path(__file__).parents[3] / "configs" / "search" / "table_classes.yaml"


def _fruit(**arguments):
    return TableClassificationDataModule(FRUIT, "fruit", **arguments)


def _data(tmp_path, labels, **arguments):
    path = tmp_path / "x.csv"
    pd.DataFrame({"n": np.arange(len(labels)), "kind": labels}).to_csv(path, index=False)
    return TableClassificationDataModule(str(path), "kind", **arguments)


def _counts(split):
    return split.targets.bincount().tolist()


def test_texts_become_class_indices_in_stratified_splits():
    data = _fruit()
    assert (data.num_classes, data.classes) == (3, ("apple", "lemon", "orange"))
    assert [_counts(part) for _, part in data.splits.named()] == [
        [96, 30, 54],
        [32, 10, 18],
        [32, 10, 18],
    ]
    table = pd.read_csv(FRUIT)
    for _, part in data.splits.named():
        assert part.targets.dtype == torch.int64
        names = [data.classes[label] for label in part.targets]
        assert names == table["fruit"].iloc[part.indices.numpy()].tolist()
        assert part.inputs.shape == (len(names), 7)
    rows = torch.cat([part.indices for _, part in data.splits.named()])
    assert rows.sort().values.tolist() == list(range(len(table)))


def test_inputs_are_those_of_the_regression_table(tmp_path):
    """The same columns and training rows make the same inputs, whatever is predicted."""
    data = _fruit()
    table = pd.read_csv(FRUIT).iloc[data.splits.train.indices.numpy()]
    mass = table["mass_g"].to_numpy(float)
    expected = (mass - mass.mean()) / mass.std()
    assert data.splits.train.inputs[:, 0].numpy() == pytest.approx(expected, abs=1e-5)
    other = TableDataModule(FRUIT, "mass_g", ignore=["fruit"])
    assert other.feature_names == data.feature_names[1:]


@pytest.mark.parametrize("kept", [{}, {"train_size": 60}, {"noise": SymmetricNoise(0.4)}])
def test_class_weights_are_those_of_the_labels_that_are_trained_on(kept):
    data = _fruit(**kept)
    labels = data.splits.train.targets.numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert data.class_weights.numpy() == pytest.approx(expected)
    loss = torch.nn.CrossEntropyLoss(weight=data.class_weights)
    assert loss(torch.zeros(3, 3), torch.arange(3)).item() == pytest.approx(np.log(3))


def test_weights_are_finite_where_noise_takes_a_class_away(tmp_path):
    noise = TransitionNoise([[1.0, 0.0], [1.0, 0.0]])
    data = _data(tmp_path, ["a", "b"] * 10, noise=noise)
    assert data.class_weights.tolist() == [0.5, 6.0]


def test_label_noise_changes_training_labels_alone():
    clean, noisy = _fruit().splits, _fruit(noise=SymmetricNoise(0.25)).splits
    assert int(noisy.train.flipped.sum()) == 45
    assert torch.equal(noisy.train.clean, clean.train.targets)
    assert torch.equal(noisy.val.targets, clean.val.targets)
    assert torch.equal(noisy.test.targets, clean.test.targets)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 2, 1], ("1", "2", "10")),
        ([-1, 1, 0], ("-1", "0", "1")),
        (["1.0", "0.0"], ("0.0", "1.0")),
        (["03", "1"], ("1", "03")),
        (["Zoo", "apple", "10 kg"], ("10 kg", "Zoo", "apple")),
        ([True, False], ("False", "True")),
    ],
)
def test_classes_stand_in_their_order_by_their_names(tmp_path, labels, classes):
    data = _data(tmp_path, labels * 5)
    assert data.classes == classes
    assert data.num_classes == len(classes)
    rows = data.splits.test
    assert [data.classes[k] for k in rows.targets] == [
        str((labels * 5)[row]) for row in rows.indices
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["a"] * 9 + ["b"] * 2,
            "at least 2 classes, each with enough rows .* got 'b' 2 of 11 rows",
        ),
        (["a"] * 9 + ["b"], "got 'b' 1 of 10 rows"),
        (["b"] * 9, "at least 2 classes.* got 'b' 9 of 9 rows"),
        (list(range(50)), r"got '0' 1, '1' 1, .*, \.\.\. of 50 rows"),
        (["a", "b", ""] * 5, "target 'kind' .* a value in every line, got '' in line 4"),
        (["a", "NA", "b"] * 5, "target 'kind' .* a value in every line, got 'NA' in line 3"),
        ([1, 2, 2.5] * 5, "texts or whole numbers, got '2.5' in line 4. .* take TableDataModule"),
        (["1", "1.0", "2"] * 5, "each class in the target 'kind' .* in one way, got '1', '1.0'"),
        ([1, 0, "-", 1, 0] * 5, "column 'kind' .* alone, got '-' in line 4, among 20 other cells"),
        (["1,5", "2,5"] * 5, "no number as it is written"),
    ],
)
def test_targets_that_are_no_classes_are_refused(tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        _data(tmp_path, labels).setup()


def test_three_rows_of_a_class_are_enough_for_any_seed(tmp_path):
    for seed in range(20):
        splits = _data(tmp_path, ["common"] * 100 + ["rare"] * 3, split_seed=seed).splits
        assert [_counts(part)[1] for _, part in splits.named()] == [1, 1, 1]


def test_fractions_that_leave_a_class_no_training_row_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"got 'rare' 4 of 104 rows.* smaller fractions"):
        _data(
            tmp_path, ["common"] * 100 + ["rare"] * 4, val_fraction=0.45, test_fraction=0.45
        ).setup()


def test_mixed_classes_may_be_declared(tmp_path):
    data = _data(tmp_path, ["1", "2", "3+"] * 5, categories=["kind"])
    assert data.classes == ("1", "2", "3+")


def test_classes_are_counted_once_in_a_message(monkeypatch):
    messages = []
    monkeypatch.setattr(logs, "rank_zero_info", messages.append)
    assert _fruit().num_classes == 3
    assert messages[0] == (
        f"'{FRUIT}': 3 classes ('apple' 160, 'lemon' 50, 'orange' 90), for as many outputs of a "
        "network."
    )
    assert sum("classes" in message for message in messages) == 1


def test_another_process_reads_the_same(tmp_path):
    data = _fruit(split_seed=4)
    data.setup()
    again = pickle.loads(pickle.dumps(data))
    assert len(pickle.dumps(data)) < 2000
    assert again.classes == data.classes
    assert torch.equal(again.splits.train.inputs, data.splits.train.inputs)


@pytest.mark.parametrize("module", [TableClassificationDataModule, TableDataModule])
@pytest.mark.parametrize(
    "other",
    [
        {"path": "b.csv"},
        {"target": "z"},
        {"ignore": ["x"]},
        {"categories": ["x"]},
        {"max_categories": 5},
        {"val_fraction": 0.3},
        {"test_fraction": 0.3},
        {"split_seed": 1},
    ],
)
def test_comparisons_tell_data_apart_by_each_argument(module, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{number % 9},{number % 7},{number % 3}" for number in range(60)]
    for name, first in (("a.csv", "x,y,z"), ("b.csv", "z,y,x")):
        (tmp_path / name).write_text("\n".join([first, *rows]) + "\n")
    given = {"path": "a.csv", "target": "y"}
    assert fingerprint(module(**given)) == fingerprint(module(**given))
    assert fingerprint(module(**given)) != fingerprint(module(**(given | other)))


@pytest.mark.parametrize(
    ("out_of_range", "message"),
    [
        ({"val_fraction": 0.0}, "`val_fraction`"),
        ({"test_fraction": 1.0}, "`test_fraction`"),
        ({"ignore": ["kind"]}, "`ignore`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"noise": "symmetric"}, "`noise`"),
    ],
)
def test_arguments_are_refused_before_reading(out_of_range, message):
    with pytest.raises(ValueError, match=message):
        TableClassificationDataModule("nowhere.csv", "kind", **out_of_range)


_MUTATIONS = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b";",
    b"1_2",
    b"-",
    b"#N/A",
    b"5%",
    b"inf",
]
_MUTATIONS += [b"-1e308", b"1e-320", b"nan", b'"\n"', b"\xef\xbb\xbf", b"colour=red", b""]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 5), st.sampled_from(_MUTATIONS))))
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path_factory, mutations):
    content = b"".join(Path(FRUIT).read_bytes().splitlines(keepends=True)[:41])
    for start, removed, new in mutations:
        content = content[:start] + new + content[start + removed :]
    path = tmp_path_factory.mktemp("x") / "x.csv"
    path.write_bytes(content)
    for data in (
        TableClassificationDataModule(str(path), "fruit"),
        TableDataModule(str(path), "mass_g"),
    ):
        if message := _refusal(data):
            assert message.startswith("Expected")
            assert str(path) in message
            assert len(message) < 700
        else:
            assert all(bool(part.inputs.isfinite().all()) for _, part in data.splits.named())
            assert len(set(data.feature_names)) == data.splits.train.inputs.shape[1]


def _refusal(data):
    try:
        data.setup()
    except ValueError as error:
        return str(error)
    return ""


def test_the_command_line_builds_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    given = ["--data", "lightning_lossmeta.TableClassificationDataModule", "--data.path", FRUIT]
    given += ["--data.target", "fruit", "--data.ignore", "[colour]", "--data.batch_size", "7"]
    given += ["--data.noise", "lightning_lossmeta.SymmetricNoise", "--data.noise.rate", "0.2"]
    data = parser.instantiate_classes(parser.parse_args(given)).data
    assert data.feature_names == ("mass_g", "width_cm", "sugar_brix")
    assert int(data.splits.train.flipped.sum()) == 36


def test_the_configuration_that_ships_searches(tmp_path, capsys):
    given = ["search", "--config", str(CONFIG), "--data.init_args.path", FRUIT]
    given += ["--generations", "1", "--session.steps", "20", "--searcher.init_args.population", "4"]
    given += ["--finalists.count", "1", "--finalists.seeds", "1", "--comparison.seeds", "2"]
    given += ["--comparison.tuning_seeds", "1", "--run_dir", str(tmp_path / "run")]
    given += ["--comparison.learning_rate_factors", "[1.0]"]
    given += ["--evaluator", "lightning_lossmeta.PopulationEvaluator"]
    assert main(given) == 0
    assert "cross-entropy" in capsys.readouterr().out
    assert (tmp_path / "run" / "best.json").is_file()


def test_the_comment_of_the_configuration_counts_the_rows():
    text = CONFIG.read_text("utf-8")
    counts = Counter(pd.read_csv(FRUIT)["fruit"])
    words = f"{counts.total()} made-up fruits, of which {counts['apple']} are apples"
    assert words in text
    settings = yaml.safe_load(text)
    network = settings["model"]["init_args"]["network"]["init_args"]
    data = _fruit()
    assert network["num_classes"] == data.num_classes
    assert network["in_features"] == len(data.feature_names)
