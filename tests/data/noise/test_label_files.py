"""Labels out of files: the published forms, wrong files, and files that want to run code."""

import json
import os
import pickle
from functools import partial

import numpy as np
import pytest
import torch

from lightning_lossmeta.data import (
    DigitsDataModule,
    LabelFileNoise,
    Split,
    Splits,
    TensorDataModule,
    read_labels,
)

COUNT = 60
CLEAN = np.arange(COUNT) % 3
WORSE = (CLEAN + (np.arange(COUNT) % 5 == 0)) % 3
AGGREGATE = (CLEAN + (np.arange(COUNT) % 10 == 0)) % 3


class Table(TensorDataModule):
    """60 samples of a training file, the last 30 for validation, and a test file of its own."""

    num_classes, mean, std = 3, (0.0,), (1.0,)

    def load(self):
        order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(self.split_seed))
        file = Split(
            torch.arange(COUNT)[:, None].float(), torch.from_numpy(CLEAN), indices=torch.arange(60)
        )
        test = Split(torch.zeros(6, 1), torch.arange(6) % 3)
        return Splits(file.take(order[:30]), file.take(order[30:]), test)


def _as_numpy_1(path):
    """Rename NumPy's own module in a saved file to what NumPy 1 calls it, which is shorter."""
    data = path.read_bytes()
    renamed = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert renamed != data
    path.write_bytes(renamed)


@pytest.fixture
def human(tmp_path):
    """A file in the form of CIFAR-10N's."""
    path = tmp_path / "CIFAR-10_human.pt"
    torch.save({"clean_label": CLEAN, "worse_label": WORSE, "aggre_label": AGGREGATE}, path)
    return path


@pytest.mark.parametrize("train_size", [None, 12])
def test_samples_get_the_labels_that_people_gave_them(human, train_size):
    noise = LabelFileNoise(str(human), "worse_label")
    splits = Table(noise=noise, noisy_validation=True, split_seed=4, train_size=train_size).splits
    for split in (splits.train, splits.val):
        rows = split.inputs.flatten().long().numpy()  # each input is its position in the file
        assert split.targets.tolist() == WORSE[rows].tolist()
        assert split.clean.tolist() == CLEAN[rows].tolist()
    assert splits.test.clean is None
    assert len(splits.train.targets) == (train_size or 30)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "values",
    [
        WORSE,
        WORSE.astype(np.int32),
        WORSE.astype(">i8"),
        WORSE.astype(np.uint8),
        WORSE.astype(np.float64),
        WORSE.tolist(),
        list(WORSE),
        torch.from_numpy(WORSE),
    ],
    ids=["int64", "int32", "big-endian", "uint8", "float64", "list", "list of NumPy's", "tensor"],
)
def test_torch_files_of_every_form(tmp_path, values, zipped):
    path = tmp_path / "labels.pt"
    torch.save(
        {"noisy_label": values},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    assert read_labels(path).tolist() == WORSE.tolist()


@pytest.mark.parametrize("values", [WORSE, list(WORSE)], ids=["array", "list of NumPy's"])
def test_files_of_numpy_1_and_2_read_alike(tmp_path, values):
    path = tmp_path / "labels.pt"
    torch.save({"noisy_label": values}, path, _use_new_zipfile_serialization=False)
    if int(np.__version__.split(".")[0]) >= 2:
        _as_numpy_1(path)
    assert b"cnumpy.core.multiarray\n" in path.read_bytes()
    assert read_labels(path, "noisy_label").tolist() == WORSE.tolist()


def test_arrays_by_column_keep_their_order(tmp_path):
    path = tmp_path / "labels.pt"
    both = np.asfortranarray(np.stack([WORSE, CLEAN]))
    torch.save({"both": both}, path)
    with pytest.raises(ValueError, match="a list of whole numbers"):
        read_labels(path)
    torch.save({"one": both[:1].ravel(order="F")}, path)
    assert read_labels(path).tolist() == WORSE.tolist()


def _save(path, values):
    """The same labels in the form that the name asks for."""
    forms = {
        ".npy": lambda: np.save(path, values),
        ".npz": lambda: np.savez(path, worse=values, clean=CLEAN),
        ".json": lambda: path.write_text(json.dumps({"worse": values.tolist(), "clean": []})),
        ".txt": lambda: path.write_text("".join(f"{label}\n" for label in values)),
        ".csv": lambda: path.write_text(
            "index,worse\n" + "".join(f"{row},{label}\n" for row, label in enumerate(values))
        ),
    }
    forms[path.suffix]()
    return path


@pytest.mark.parametrize(
    ("name", "key"),
    [("a.npy", None), ("a.npz", "worse"), ("a.json", "worse"), ("a.txt", None), ("a.csv", "worse")],
)
def test_other_forms(tmp_path, name, key):
    path = _save(tmp_path / name, WORSE)
    assert read_labels(path, key).tolist() == WORSE.tolist()


@pytest.mark.parametrize(
    "text", ["0\n2\n1\n", "label\n0\n2\n1\n", "\ufefflabel\r\n0\r\n2\r\n1\r\n"]
)
def test_csv_with_and_without_a_header(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_labels(path).tolist() == [0, 2, 1]


def test_a_json_list(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text("[0, 2, 1]")
    assert read_labels(path).tolist() == [0, 2, 1]
    with pytest.raises(ValueError, match=r"holds \(labels without a name\), got 'noisy'"):
        read_labels(path, "noisy")


@pytest.mark.parametrize("key", [None, "worst_label"])
def test_a_missing_key_is_answered_with_those_that_are_there(human, key):
    message = rf"holds \(clean_label, worse_label, aggre_label\), got {key!r}"
    with pytest.raises(ValueError, match=message):
        Table(noise=LabelFileNoise(str(human), key)).setup()


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _torch_bomb(path, bomb, **settings):
    torch.save({"noisy_label": WORSE, "extra": bomb}, path, **settings)


def _pickle_bomb(path, bomb):
    path.write_bytes(pickle.dumps({"noisy_label": bomb}, protocol=2))


def _array_bomb(path, bomb):
    torch.save({"noisy_label": np.array([bomb], dtype=object)}, path)


def _numpy_bomb(path, bomb):
    np.save(path.with_suffix(".npy"), np.array([bomb], dtype=object), allow_pickle=True)
    path.with_suffix(".npy").replace(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.pt", _torch_bomb),
        ("a.pth", partial(_torch_bomb, _use_new_zipfile_serialization=False)),
        ("a.pt", _pickle_bomb),
        ("a.pt", _array_bomb),
        ("a.npy", _numpy_bomb),
        ("a.npy", _pickle_bomb),
        ("a.npz", _pickle_bomb),
    ],
)
def test_files_with_code_are_refused_and_nothing_of_it_runs(tmp_path, name, write):
    path, trace = tmp_path / name, tmp_path / "the code has run"
    write(path, _Bomb(trace))
    with pytest.raises(ValueError, match="to hold labels and nothing else") as error:
        read_labels(path, "noisy_label")
    assert not trace.exists()
    assert "weights_only" not in str(error.value)  # PyTorch's advice is to run the file
    if path.suffix in (".pt", ".pth") and write is not _array_bomb:
        assert f"it names {os.mkdir.__module__}.mkdir" in str(error.value)


def test_arrays_of_objects_and_text_are_refused(tmp_path):
    path = tmp_path / "labels.pt"
    for values in (np.array([1, "a"], dtype=object), np.array(["cat", "dog"])):
        torch.save({"noisy_label": values}, path)
        with pytest.raises(ValueError, match="which is no kind of number"):
            read_labels(path)


@pytest.mark.parametrize("name", ["a.pt", "a.npy", "a.npz", "a.csv", "a.json"])
@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00(X", b"PK\x03\x04 broken", b"\xff\xfe{["])
def test_damaged_files_are_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"'.*{name}'"):
        read_labels(path)


def _outcome(path):
    """The refusal, or the labels."""
    try:
        return "", read_labels(path, "worse_label").tolist()
    except ValueError as error:
        return str(error), []


@pytest.mark.parametrize("form", [".pt", ".npz"])
def test_every_gap_in_a_zipped_file_is_refused_alike(tmp_path, form):
    """Places in it are then wrong, some of them before its start."""
    path = tmp_path / f"whole{form}"
    if form == ".pt":
        torch.save({"worse_label": WORSE}, path)
    else:
        np.savez(path, worse_label=WORSE)
    whole = path.read_bytes()
    for start in range(0, len(whole), 41):
        path.write_bytes(whole[:start] + whole[start + 23 :])
        refusal, labels = _outcome(path)
        assert str(path) in refusal if refusal else labels == WORSE.tolist()


def test_every_cut_of_a_torch_file_is_refused_alike(tmp_path, human):
    whole, path = human.read_bytes(), tmp_path / "cut.pt"
    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="nothing else"):
            read_labels(path, "worse_label")


@pytest.mark.parametrize(
    "values", [[0.5, 1.0], ["cat"], [], [[0, 1]], [None], [0, [1]], "cat", {"a": 1}, 3, [1e300]]
)
def test_labels_that_are_no_whole_numbers_are_refused(tmp_path, values):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"noisy": values}))
    with pytest.raises(ValueError, match=r"\(noisy\) to be a list of whole numbers"):
        read_labels(path, "noisy")


def test_a_csv_of_uneven_rows_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("index,label\n0,1\n1\n")
    with pytest.raises(ValueError, match="not all of 2 columns"):
        read_labels(path, "label")


def test_a_form_that_is_unknown_is_refused_at_once():
    with pytest.raises(ValueError, match=r"`path` to end in \.pt, .*got 'labels\.pkl'"):
        LabelFileNoise("labels.pkl")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npy"):
        Table(noise=LabelFileNoise(str(tmp_path / "nowhere.npy"))).setup()


def _data(tmp_path, labels, cls=Table):
    path = tmp_path / "labels.npy"
    np.save(path, labels)
    return cls(noise=LabelFileNoise(str(path)))


def test_too_few_labels_are_refused(tmp_path):
    data = _data(tmp_path, WORSE[:40])
    with pytest.raises(ValueError, match=r"training file, at least \d\d, got 40"):
        data.setup()


def test_too_many_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"to hold 60 labels, .*got 120"):
        _data(tmp_path, np.tile(WORSE, 2)).setup()


def test_labels_of_other_classes_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"labels\.npy' to be in \[0, 3\) for 3 classes, got 1 to 3"
    ):
        _data(tmp_path, WORSE + 1).setup()


def test_a_file_in_another_order_is_found_out(tmp_path):
    order = np.random.default_rng(0).permutation(COUNT)
    path = tmp_path / "labels.pt"
    torch.save({"clean_label": CLEAN[order], "worse_label": WORSE[order]}, path)
    with pytest.raises(ValueError, match=r"in the order of the data.*\d+ of 30 samples"):
        Table(noise=LabelFileNoise(str(path), "worse_label")).setup()


def test_data_that_do_not_know_their_order_are_refused(tmp_path):
    class Unordered(Table):
        def load(self):
            splits = super().load()
            return Splits(*(Split(split.inputs, split.targets) for _, split in splits.named()))

    with pytest.raises(ValueError, match=r"`indices` of the split.*labels\.npy"):
        _data(tmp_path, WORSE, Unordered).setup()


def test_digits_find_their_labels(tmp_path):
    everything = DigitsDataModule().splits
    labels = np.full(1797, -1)
    for _, split in everything.named():
        labels[split.indices] = split.targets
    assert labels.min() == 0
    turned = (labels + 1) % 10
    noisy = _data(tmp_path, turned, DigitsDataModule).splits.train
    assert torch.equal(noisy.targets, (everything.train.targets + 1) % 10)
    assert bool(noisy.flipped.all())
