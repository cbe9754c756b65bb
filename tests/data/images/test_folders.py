import copy
import pickle

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from PIL import Image, ImageOps

from lightning_lossmeta.data.images import late_bar
from lightning_lossmeta.data.images.decoding import ImageDecoder
from lightning_lossmeta.data.images.folders import ImageFolderDataModule


def _picture(seed, width=40, height=30):
    """Smooth colours, so that scaling and JPEG change little."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 256, (4, 4, 3), np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def _fill(folder, classes, count, start=0, suffix=".png"):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            seed = start + 1000 * number + index
            _picture(seed).save(folder / name / f"{seed:05d}{suffix}")


@pytest.fixture
def pets(tmp_path):
    _fill(tmp_path, ["cat", "dog", "newt"], 20)
    return tmp_path


def _raw(split, data):
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
    return ((split.inputs * std + mean) * 255).round().byte()


def test_a_path_is_enough(pets):
    data = ImageFolderDataModule(str(pets))
    data.prepare_data()
    data.setup("fit")
    assert data.classes == ["cat", "dog", "newt"]
    assert data.num_classes == 3
    splits = data.splits
    assert splits.train.inputs.shape == (42, 3, 32, 32)
    for split, count in ((splits.train, 14), (splits.val, 2), (splits.test, 4)):
        assert split.targets.bincount().tolist() == [count] * 3
    inputs, targets = next(iter(data.train_dataloader()))
    assert inputs.shape == (42, 3, 32, 32)
    assert targets.dtype == torch.int64


def test_pixels_are_those_of_pillow_and_belong_to_their_labels(pets):
    data = ImageFolderDataModule(str(pets), image_size=16, split_seed=3)
    files = sorted(pets.rglob("*.png"))
    seen = []
    for _, split in data.splits.named():
        for pixels, label, index in zip(
            _raw(split, data), split.targets, split.indices, strict=True
        ):
            path = files[index]
            expected = ImageOps.fit(Image.open(path), (16, 16), method=Image.Resampling.BILINEAR)
            assert np.array_equal(pixels.permute(1, 2, 0), np.asarray(expected))
            assert path.parent.name == data.classes[label]
            seen.append(path)
    assert sorted(seen) == files


def test_training_pixels_are_normalised_by_what_was_measured(pets):
    data = ImageFolderDataModule(str(pets))
    train = data.splits.train.inputs
    assert train.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (train.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-5
    given = ImageFolderDataModule(str(pets), mean=(0.5, 0.5, 0.5), std=(0.2, 0.3, 0.4))
    assert (given.mean, given.std) == ((0.5, 0.5, 0.5), (0.2, 0.3, 0.4))
    assert given._splits is None  # known without reading
    assert torch.equal(_raw(given.splits.val, given), _raw(data.splits.val, data))


def test_mean_and_std_can_be_asked_for_first_and_survive_copies(pets):
    data = ImageFolderDataModule(str(pets))
    mean = data.mean
    assert len(mean) == 3
    assert all(0.3 < value < 0.7 for value in mean)
    assert copy.copy(data).splits is data.splits
    packed = pickle.dumps(data)
    assert len(packed) < 2000
    again = pickle.loads(packed)
    assert (again.mean, again.std, again.num_classes) == (mean, data.std, 3)
    assert torch.equal(again.splits.test.inputs, data.splits.test.inputs)


def test_the_seed_decides_the_split(pets):
    one, same, other = (ImageFolderDataModule(str(pets), split_seed=s).splits for s in (0, 0, 1))
    assert torch.equal(one.val.indices, same.val.indices)
    assert not torch.equal(one.val.indices, other.val.indices)


def test_train_size_keeps_a_balanced_part_and_decodes_no_others(pets, monkeypatch):
    full = ImageFolderDataModule(str(pets)).splits
    opened = []
    real = ImageDecoder.__call__

    def counting(self, source, name):
        opened.append(source)
        return real(self, source, name)

    monkeypatch.setattr(ImageDecoder, "__call__", counting)
    part = ImageFolderDataModule(str(pets), train_size=9).splits
    assert part.train.targets.bincount().tolist() == [3, 3, 3]
    assert set(part.train.indices.tolist()) < set(full.train.indices.tolist())
    assert torch.equal(part.test.indices, full.test.indices)
    assert len(opened) == 9 + 6 + 12
    with pytest.raises(ValueError, match="`train_size` to be at most 42"):
        ImageFolderDataModule(str(pets), train_size=43).setup()


def test_folders_of_parts_are_used_as_they_are(tmp_path):
    for start, (part, count) in enumerate({"train": 5, "val": 2, "test": 3}.items()):
        _fill(tmp_path / part, ["a", "b"], count, start=100 * start)
    splits = ImageFolderDataModule(str(tmp_path)).splits
    assert [len(s.targets) for _, s in splits.named()] == [10, 4, 6]
    assert splits.train.indices.tolist() == list(range(10))
    assert splits.val.indices is None
    assert splits.test.indices is None


@pytest.mark.parametrize("missing", ["val", "test"])
def test_a_part_that_is_not_there_is_taken_out_of_training(tmp_path, missing):
    for part in {"train", "val", "test"} - {missing}:
        _fill(tmp_path / part, ["a", "b"], 10)
    data = ImageFolderDataModule(str(tmp_path), val_fraction=0.3, test_fraction=0.3)
    splits = dict(data.splits.named())
    assert splits.pop(missing).targets.bincount().tolist() == [3, 3]
    assert splits.pop("train").targets.bincount().tolist() == [7, 7]
    assert [split.targets.bincount().tolist() for split in splits.values()] == [[10, 10]]


def test_a_class_may_be_called_train(tmp_path):
    _fill(tmp_path, ["bus", "train"], 4)
    data = ImageFolderDataModule(str(tmp_path))
    assert data.classes == ["bus", "train"]


def test_many_formats_modes_and_orientations_are_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "deeper").mkdir(parents=True)
        (tmp_path / name / ".cache").mkdir()
        picture = _picture(7)
        picture.save(tmp_path / name / "1.JPG", quality=95)
        picture.convert("L").save(tmp_path / name / "2.png")
        picture.convert("RGBA").save(tmp_path / name / "3.webp")
        picture.convert("P").save(tmp_path / name / "deeper" / "4.bmp")
        (tmp_path / name / "notes.txt").write_text("no image")
        (tmp_path / name / "._1.JPG").write_text("left by a file manager")
    (tmp_path / ".git").mkdir()
    picture = _picture(1, 64, 32)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees
    picture.save(tmp_path / "a" / "5.jpg", exif=turned, quality=95)
    data = ImageFolderDataModule(str(tmp_path), image_size=8)
    assert sum(len(split.targets) for _, split in data.splits.named()) == 9
    upright = np.asarray(ImageDecoder()(tmp_path / "a" / "5.jpg", "it"))
    expected = np.asarray(picture.rotate(-90, expand=True))
    assert upright.shape == (64, 32, 3)
    assert np.abs(upright.astype(int) - expected.astype(int)).max() < 30


@pytest.mark.parametrize("width", [40, 240, 1600])
def test_a_large_jpeg_is_scaled_as_if_it_were_decoded_in_full(tmp_path, width):
    detailed = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    picture = Image.fromarray(detailed).resize((width, width * 3 // 4), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "large.jpg", quality=95)
    scaled = np.asarray(ImageDecoder(32)(tmp_path / "large.jpg", "it"), int)
    full = Image.open(tmp_path / "large.jpg")
    expected = ImageOps.fit(full, (32, 32), method=Image.Resampling.BILINEAR)
    assert np.abs(scaled - np.asarray(expected, int)).max() <= 10


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"text"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_unreadable_image_is_named(tmp_path, damage, suffix):
    _fill(tmp_path, ["a", "b"], 4, suffix=suffix)
    broken = tmp_path / "b" / f"01002{suffix}"
    broken.write_bytes(damage(broken.read_bytes()))
    with pytest.raises(ValueError, match=f"'{broken}' to be an image, but reading it failed"):
        ImageFolderDataModule(str(tmp_path)).setup()


def test_folders_that_are_no_data_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` to be a folder .* got '.*nowhere'"):
        ImageFolderDataModule(str(tmp_path / "nowhere")).setup()
    with pytest.raises(ValueError, match="at least 2 classes, got no folder"):
        ImageFolderDataModule(str(tmp_path)).setup()
    _fill(tmp_path, ["a"], 4)
    with pytest.raises(ValueError, match=r"at least 2 classes, got \['a'\]"):
        ImageFolderDataModule(str(tmp_path)).setup()
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="images of every class, got none of b"):
        ImageFolderDataModule(str(tmp_path)).setup()
    _fill(tmp_path, ["b"], 2)
    with pytest.raises(ValueError, match=r"at least 3 training images of each class.*2 of 'b'"):
        ImageFolderDataModule(str(tmp_path)).setup()
    _fill(tmp_path, ["b"], 3)
    splits = ImageFolderDataModule(str(tmp_path)).splits
    assert [len(s.targets) for _, s in splits.named()] == [3, 2, 2]


def test_a_class_that_training_lacks_is_refused(tmp_path):
    _fill(tmp_path / "train", ["a", "b"], 5)
    _fill(tmp_path / "test", ["a", "b", "c"], 5)
    with pytest.raises(ValueError, match="same classes as the training images, got c besides"):
        ImageFolderDataModule(str(tmp_path)).setup()


def test_images_without_a_size_must_have_one(pets):
    assert ImageFolderDataModule(str(pets), image_size=None).splits.val.inputs.shape[1:] == (
        3,
        30,
        40,
    )
    other = pets / "dog" / "01003.png"
    _picture(0, 41, 30).save(other)
    with pytest.raises(ValueError, match="Give `image_size` to scale all images"):
        ImageFolderDataModule(str(pets), image_size=None).setup()


def test_the_parts_must_have_one_size_too(tmp_path):
    _fill(tmp_path / "train", ["a", "b"], 5)
    for name in ("a", "b"):
        (tmp_path / "test" / name).mkdir(parents=True)
        _picture(0, 30, 40).save(tmp_path / "test" / name / "1.png")
    found = "40 x 30 for training, 40 x 30 for validation, 30 x 40 for test"
    with pytest.raises(ValueError, match=f"all parts to have one size, got {found}. Give"):
        ImageFolderDataModule(str(tmp_path), image_size=None).setup()


def test_images_of_one_colour_can_not_be_normalised(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(4):
            Image.new("RGB", (8, 8), "black").save(tmp_path / name / f"{index}.png")
    with pytest.raises(ValueError, match=r"differ in every channel.*Give `mean` and `std`"):
        ImageFolderDataModule(str(tmp_path)).setup()
    given = ImageFolderDataModule(str(tmp_path), mean=(0.0,) * 3, std=(1.0,) * 3)
    assert not given.splits.train.inputs.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "`image_size` to be an integer of at least 1, got 0"),
        ({"val_fraction": 0.0}, r"`val_fraction` to be in \(0, 0.5\), got 0.0"),
        ({"test_fraction": 0.5}, r"`test_fraction` to be in \(0, 0.5\), got 0.5"),
        ({"std": (0.0, 1.0, 1.0)}, "`std` to hold positive numbers"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageFolderDataModule("somewhere", **arguments)


def test_a_bar_shows_only_where_it_takes_long_and_is_seen(pets, monkeypatch, capsys):
    ImageFolderDataModule(str(pets)).setup()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(late_bar, "PROGRESS_SECONDS", 0.0)
    ImageFolderDataModule(str(pets)).setup()
    assert capsys.readouterr().err == ""  # no terminal
    monkeypatch.setenv("FORCE_COLOR", "1")
    ImageFolderDataModule(str(pets)).setup()
    shown = capsys.readouterr().err
    assert "decoding training images" in shown
    assert "42/42" in shown


def test_the_command_line_builds_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    path = "lightning_lossmeta.data.images.folders.ImageFolderDataModule"
    arguments = {"root": "here", "mean": [0.1, 0.2, 0.3], "augment": {}, "train_size": 7}
    config = parser.parse_object({"data": {"class_path": path, "init_args": arguments}})
    data = parser.instantiate_classes(config).data
    assert (data.root, data.image_size, data.train_size) == ("here", 32, 7)
    assert data.augment.crop_padding == 4
