import io
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from PIL import Image

from lightning_lossmeta.data.images.archives import JPEGArchive, JPEGArchiveDataModule
from lightning_lossmeta.data.images.vision import CIFAR10DataModule

REAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "cifar10_jpeg"
real_cifar = pytest.mark.skipif(
    not REAL.is_dir(), reason="the archives of CIFAR-10 are not beside the checkout"
)


def _encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _arrays(count, seed, classes=3, size=8):
    generator = np.random.default_rng(seed)
    files = [_encode(generator.integers(0, 256, (size, size, 3), np.uint8)) for _ in range(count)]
    return {
        "jpeg": np.frombuffer(b"".join(files), np.uint8),
        "offsets": np.cumsum([0, *map(len, files)]),
        "labels": (np.arange(count) % classes).astype(np.uint8),
        "classes": np.array([f"class {index}" for index in range(classes)]),
    }


def _write(root, train=None, test=None):
    root.mkdir(exist_ok=True)
    np.savez(root / "toy_train.npz", **(train or _arrays(60, 0)))
    np.savez(root / "toy_test.npz", **(test or _arrays(15, 1)))
    return str(root)


def _raw(split, data):
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
    return ((split.inputs * std + mean) * 255).round().byte().permute(0, 2, 3, 1).numpy()


def _decoded(arrays, index):
    start, end = arrays["offsets"][index : index + 2]
    return np.asarray(Image.open(io.BytesIO(arrays["jpeg"][start:end].tobytes())).convert("RGB"))


def test_a_folder_is_enough_and_pixels_belong_to_their_labels(tmp_path):
    arrays = {"train": _arrays(60, 0), "test": _arrays(15, 1)}
    data = JPEGArchiveDataModule(_write(tmp_path, **arrays))
    assert (data.num_classes, data.classes[2]) == (3, "class 2")
    splits = data.splits
    assert [s.targets.bincount().tolist() for _, s in splits.named()] == [
        [18] * 3,
        [2] * 3,
        [5] * 3,
    ]
    assert np.array_equal(_raw(splits.test, data), [_decoded(arrays["test"], i) for i in range(15)])
    assert splits.test.indices is None
    for split in (splits.train, splits.val):
        expected = [_decoded(arrays["train"], index) for index in split.indices]
        assert np.array_equal(_raw(split, data), expected)
        assert np.array_equal(split.targets, arrays["train"]["labels"][split.indices])
    assert not set(splits.train.indices.tolist()) & set(splits.val.indices.tolist())
    assert splits.train.inputs.mean(dim=(0, 2, 3)).abs().max() < 1e-5


def test_grey_images_become_colour_and_sizes_can_be_made_equal(tmp_path):
    arrays = _arrays(60, 0)
    files = [_encode(np.full((8 + i % 2, 8), i, np.uint8)) for i in range(60)]
    arrays |= {
        "jpeg": np.frombuffer(b"".join(files), np.uint8),
        "offsets": np.cumsum([0, *map(len, files)]),
    }
    root = _write(tmp_path, train=arrays)
    with pytest.raises(ValueError, match=r"image \d+ of '.*train.npz' to have 8 x \d pixels"):
        JPEGArchiveDataModule(root).setup()
    assert JPEGArchiveDataModule(root, image_size=4).splits.train.inputs.shape == (54, 3, 4, 4)


def _shifted(at, by):
    def change(arrays):
        arrays["offsets"][at] += by

    return change


def _relabelled(at, label):
    def change(arrays):
        arrays["labels"][at] = label

    return change


def _set(name, function):
    def change(arrays):
        arrays[name] = function(arrays[name])

    return change


CHANGES = [
    (_shifted(5, 10**6), r"image 4 to be some of the \d+ bytes of `jpeg`, got bytes \d+ to 100\d+"),
    (_shifted(5, -(10**6)), r"image 4 to be some .*, got bytes \d+ to -\d+"),
    (_shifted(-1, 1), "image 59 to be some of"),
    (_shifted(0, -1), "image 0 to be some .* got bytes -1 to"),
    (_set("offsets", lambda v: np.insert(v[:-1], 3, v[3])), "image 3 to be some of"),
    (_set("offsets", lambda v: v[:-1]), "one number more than `labels`, got 60 and 60"),
    (_set("offsets", lambda v: v.astype(float)), "`offsets` to be a row of integers, got float64"),
    (_set("labels", lambda v: v[:, None]), "`labels` to be a row of integers"),
    (_set("labels", lambda v: v[:0]), "one number more than `labels`, got 61 and 0"),
    (_relabelled(17, 3), r"label of image 17 to be in \[0, 3\) for as many `classes`, got 3"),
    (_set("labels", lambda v: v.astype(np.int64) - 1), r"label of image 0 .*, got -1"),
    (_set("jpeg", lambda v: v.astype(np.int16)), "`jpeg` to be bytes"),
    (_set("jpeg", lambda v: v[:1000]), "to be some of the 1000 bytes of `jpeg`"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_what_does_not_fit_together_is_named(tmp_path, change, message):
    arrays = _arrays(60, 0)
    change(arrays)
    root = _write(tmp_path, train=arrays)
    with pytest.raises(ValueError, match=message) as error:
        JPEGArchiveDataModule(root).setup()
    assert "toy_train.npz" in str(error.value)


def test_a_damaged_image_is_named(tmp_path):
    arrays = _arrays(15, 1)
    jpeg = arrays["jpeg"].copy()
    start, end = arrays["offsets"][7:9]
    jpeg[start:end] = 0
    root = _write(tmp_path, test=arrays | {"jpeg": jpeg})
    with pytest.raises(ValueError, match=r"image 7 of '.*toy_test.npz' to be an image, but"):
        JPEGArchiveDataModule(root).setup()


def test_files_that_are_no_archives_are_refused(tmp_path):
    root = _write(tmp_path)
    file = tmp_path / "toy_train.npz"
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"text", whole[:-30]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"to be a .npz file of plain arrays, but reading it"):
            JPEGArchiveDataModule(root).setup()
    np.savez(file, images=np.zeros(3), labels=np.zeros(3))
    with pytest.raises(ValueError, match="but jpeg, offsets, classes are not there"):
        JPEGArchiveDataModule(root).setup()
    with file.open("wb") as handle:
        np.save(handle, np.zeros(3))
    with pytest.raises(ValueError, match=r"to be a .npz file"):
        JPEGArchiveDataModule(root).setup()


class _Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_nothing_in_a_file_is_executed(tmp_path):
    mark = tmp_path / "executed"
    classes = np.empty(1, object)
    classes[0] = _Payload(mark)
    root = _write(tmp_path, train=_arrays(60, 0) | {"classes": classes})
    with pytest.raises(ValueError, match="plain arrays"):
        JPEGArchiveDataModule(root).setup()
    assert not mark.exists()


def test_the_files_must_be_found_and_agree(tmp_path):
    root = _write(tmp_path / "odd [name]")
    assert len(JPEGArchiveDataModule(root).splits.test.targets) == 15
    with pytest.raises(FileNotFoundError, match=r"`test_file` to match one file in .*, got none"):
        JPEGArchiveDataModule(root, test_file="*valid*").setup()
    np.savez(Path(root) / "other_train.npz", **_arrays(30, 2))
    with pytest.raises(FileNotFoundError, match=r"`train_file` to match one .*other_train.npz, "):
        JPEGArchiveDataModule(root).setup()
    named = JPEGArchiveDataModule(root, train_file="other_train.npz")
    assert len(named.splits.train.targets) == 27
    np.savez(Path(root) / "toy_test.npz", **_arrays(15, 1, classes=2))
    with pytest.raises(ValueError, match="to have the classes of"):
        JPEGArchiveDataModule(root, train_file="other_train.npz").setup()


def test_the_command_line_builds_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    path = "lightning_lossmeta.data.images.archives.JPEGArchiveDataModule"
    arguments = {"root": "here", "train_size": 7, "augment": {"cutout": 16}, "val_fraction": 0.2}
    config = parser.parse_object({"data": {"class_path": path, "init_args": arguments}})
    data = parser.instantiate_classes(config).data
    assert (data.root, data.train_size, data.val_fraction) == ("here", 7, 0.2)


@real_cifar
def test_the_real_cifar10(tmp_path):
    """A few hundred images of each archive: decoding all takes as long as all other tests."""
    arrays = {}
    for part in ("train", "test"):
        with np.load(REAL / f"cifar10_jpeg_{part}.npz", allow_pickle=False) as archive:
            arrays[part] = dict(archive)
    small = {}
    for part, count in (("train", 600), ("test", 200)):
        ends = arrays[part]["offsets"][: count + 1]
        small[part] = arrays[part] | {
            "offsets": ends,
            "labels": arrays[part]["labels"][:count],
            "jpeg": arrays[part]["jpeg"][: ends[-1]],
        }
    data = JPEGArchiveDataModule(_write(tmp_path, **small), train_size=100)
    assert data.classes[0] == "airplane"
    splits = data.splits
    assert splits.train.targets.bincount().tolist() == [10] * 10
    for part, split in (("test", splits.test), ("train", splits.val), ("train", splits.train)):
        indices = range(200) if split.indices is None else split.indices.tolist()
        assert np.array_equal(_raw(split, data), [_decoded(arrays[part], i) for i in indices])
        assert split.targets.tolist() == [int(arrays[part]["labels"][i]) for i in indices]
    # the constants of the original files describe these images too
    assert np.allclose(data.mean, CIFAR10DataModule.mean, atol=0.04)
    assert np.allclose(data.std, CIFAR10DataModule.std, atol=0.02)
    whole = JPEGArchive.read(str(REAL / "cifar10_jpeg_train.npz"))
    assert np.bincount(whole.labels).tolist() == [5000] * 10
