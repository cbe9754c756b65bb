"""Folders that are parts of a data set, and folders that are classes."""

import numpy as np
import pytest
from PIL import Image

from lightning_lossmeta.data.images.folders import ImageFolderDataModule
from lightning_lossmeta.data.images.part_folders import part_of


def _fill(folder, classes=("a", "b"), count=5):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, 256, (6, 6, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


def _data(root):
    return ImageFolderDataModule(str(root), image_size=None)


SPELLINGS = [
    ("train", "val", "test"),
    ("train", "valid", "test"),
    ("train", "validation", "test"),
    ("train", "dev", "test"),
    ("Train", "Val", "Test"),
    ("TRAIN", "VALID", "TEST"),
    ("training", "validation", "testing"),
    ("Training", "Validation", "Testing"),
    ("train", "eval", "test"),
    ("training_set", "validation_set", "test_set"),
    ("trainset", "valset", "testset"),
    ("train_images", "val_images", "test_images"),
    ("train-data", "dev-data", "test-data"),
    ("Train Set", "Development", "Test Set"),
]


@pytest.mark.parametrize("names", SPELLINGS, ids=" ".join)
def test_parts_are_never_classes(tmp_path, names):
    for name, count in zip(names, (5, 2, 3), strict=True):
        _fill(tmp_path / name, count=count)
    data = _data(tmp_path)
    assert data.classes == ["a", "b"]
    assert [len(split.targets) for _, split in data.splits.named()] == [10, 4, 6]


@pytest.mark.parametrize("names", SPELLINGS, ids=" ".join)
@pytest.mark.parametrize("left_out", [1, 2])
def test_two_parts_are_enough(tmp_path, names, left_out):
    for name in {*names} - {names[left_out]}:
        _fill(tmp_path / name)
    data = _data(tmp_path)
    assert data.num_classes == 2
    assert len(dict(data.splits.named())[("train", "val", "test")[3 - left_out]].targets) == 10


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "dev", "Testing"), ("train",)])
@pytest.mark.parametrize("other", ["unlabelled", "masks", "train2", "bus"])
def test_another_folder_beside_parts_is_refused_by_name(tmp_path, names, other):
    for name in (*names, other):
        _fill(tmp_path / name)
    with pytest.raises(ValueError, match=f"either parts .* or classes.* {other} besides. Move or"):
        _data(tmp_path).setup()


def test_a_flat_part_beside_others_does_not_make_classes_of_them(tmp_path):
    """Test images without labels, as competitions give them."""
    _fill(tmp_path / "train")
    _fill(tmp_path, ["test", "sample_submission"])
    with pytest.raises(ValueError, match="sample_submission besides"):
        _data(tmp_path).setup()
    (tmp_path / "sample_submission").rename(tmp_path / "train" / "c")
    with pytest.raises(ValueError, match="images of every class, got none of a, b, c"):
        _data(tmp_path).setup()


@pytest.mark.parametrize(
    "names", [("val", "valid"), ("Train", "training"), ("test", "Testing"), ("dev", "eval")]
)
def test_a_part_that_is_there_twice_is_refused(tmp_path, names):
    for name in {"train", "test", *names}:
        _fill(tmp_path / name)
    with pytest.raises(ValueError, match="one folder for each part") as error:
        _data(tmp_path).setup()
    assert any(name in str(error.value) for name in names)


@pytest.mark.parametrize("names", [("test",), ("valid", "test"), ("dev", "Testing")])
def test_parts_without_training_are_refused(tmp_path, names):
    for name in names:
        _fill(tmp_path / name)
    with pytest.raises(ValueError, match=r"folder of training images \(train\)"):
        _data(tmp_path).setup()


@pytest.mark.parametrize("name", ["train", "test", "Dev", "valid"])
def test_a_class_may_be_called_like_a_part(tmp_path, name):
    _fill(tmp_path, ["bus", name, "plane"])
    assert _data(tmp_path).classes == sorted(["bus", name, "plane"])


def test_parts_that_hold_no_classes_are_no_classes_either(tmp_path):
    _fill(tmp_path, ["train", "test"])
    with pytest.raises(ValueError, match=r"train' to hold a folder of images for each .*no folder"):
        _data(tmp_path).setup()


def test_a_hidden_folder_is_no_fourth(tmp_path):
    for name in ("train", "test", ".git", "__MACOSX", "@eaDir"):
        _fill(tmp_path / name)
    with pytest.warns(UserWarning, match="hidden") as record:
        assert _data(tmp_path).splits is not None
    assert len(record) == 1
    assert "3 (.git, @eaDir, __MACOSX)" in str(record[0].message)


@pytest.mark.parametrize("name", ["trains", "trainers", "contest", "training day", "set", "_", "2"])
def test_other_names_are_no_parts(name):
    assert part_of(name) is None


def test_the_same_files_in_two_parts_are_the_user_s(tmp_path):
    _fill(tmp_path / "train")
    (tmp_path / "test").symlink_to(tmp_path / "train")
    splits = _data(tmp_path).splits
    assert (len(splits.train.targets), len(splits.test.targets)) == (8, 10)
