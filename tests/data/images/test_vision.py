import gzip
import hashlib
import http.server
import pickle
import tarfile
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from scipy.io import savemat
from torchvision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, SVHN, FashionMNIST

from lightning_lossmeta.data.images.vision import (
    CIFAR10DataModule,
    CIFAR100DataModule,
    FashionMNISTDataModule,
    KMNISTDataModule,
    MNISTDataModule,
    SVHNDataModule,
)

TRAIN, TEST, VAL = 1200, 200, 600


def _md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def _random(count, shape, classes):
    """Images and labels, every class among the first ones and often."""
    generator = np.random.default_rng(count)
    return generator.integers(0, 256, (count, *shape), np.uint8), np.arange(count) % classes


def write_idx(root, monkeypatch, dataset):
    folder = root / dataset.__name__ / "raw"
    folder.mkdir(parents=True)
    parts = {}
    for part, name, count in (("train", "train", TRAIN), ("test", "t10k", TEST)):
        pixels, labels = _random(count, (28, 28), 10)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim])
            head += b"".join(n.to_bytes(4, "big") for n in array.shape)
            (folder / f"{name}-{kind}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
        parts[part] = pixels[:, None], labels
    return parts


def write_cifar(root, monkeypatch, dataset):
    """The batches as pickles, their checksums among torchvision's."""
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)
    fine = dataset is CIFAR100
    parts, lists = {}, {"train": [], "test": []}
    for part, count in (("train", TRAIN), ("test", TEST)):
        pixels, labels = _random(count, (3, 32, 32), 100 if fine else 10)
        names = [name for name, _ in getattr(dataset, f"{part}_list")]
        for name, images, targets in zip(
            names,
            np.array_split(pixels.reshape(count, -1), len(names)),
            np.array_split(labels, len(names)),
            strict=True,
        ):
            entry = {"data": images, ("fine_labels" if fine else "labels"): targets.tolist()}
            (folder / name).write_bytes(pickle.dumps(entry, protocol=2))
            lists[part].append([name, _md5(folder / name)])
        monkeypatch.setattr(dataset, f"{part}_list", lists[part])
        parts[part] = pixels, labels
    meta = folder / dataset.meta["filename"]
    meta.write_bytes(pickle.dumps({dataset.meta["key"]: ["name"] * 10}, protocol=2))
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": _md5(meta)})
    return parts


def write_svhn(root, monkeypatch, dataset):
    """MATLAB files (H, W, C, N), in which the digit 0 has the label 10."""
    root.mkdir(exist_ok=True)
    parts, listed = {}, dict(SVHN.split_list)
    for part, count in (("train", TRAIN), ("test", TEST)):
        pixels, labels = _random(count, (3, 32, 32), 10)
        name = SVHN.split_list[part][1]
        stored = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        savemat(root / name, {"X": pixels.transpose(2, 3, 1, 0), "y": stored})
        listed[part] = [SVHN.split_list[part][0], name, _md5(root / name)]
        parts[part] = pixels, labels
    monkeypatch.setattr(SVHN, "split_list", listed)
    return parts


SETS = [
    pytest.param(MNISTDataModule, MNIST, write_idx, id="MNIST"),
    pytest.param(FashionMNISTDataModule, FashionMNIST, write_idx, id="FashionMNIST"),
    pytest.param(KMNISTDataModule, KMNIST, write_idx, id="KMNIST"),
    pytest.param(CIFAR10DataModule, CIFAR10, write_cifar, id="CIFAR10"),
    pytest.param(CIFAR100DataModule, CIFAR100, write_cifar, id="CIFAR100"),
    pytest.param(SVHNDataModule, SVHN, write_svhn, id="SVHN"),
]


def _raw(split, data):
    """The pixels that a split was made of."""
    mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (data.mean, data.std))
    return ((split.inputs * std + mean) * 255).round().byte().numpy()


@pytest.mark.parametrize(("module", "dataset", "write"), SETS)
def test_files_in_the_real_format_become_splits(tmp_path, monkeypatch, module, dataset, write):
    parts = write(tmp_path, monkeypatch, dataset)
    data = module(root=str(tmp_path), download=False, val_size=VAL)
    data.prepare_data()
    data.setup("fit")
    splits = data.splits
    assert [len(split.targets) for _, split in splits.named()] == [TRAIN - VAL, VAL, TEST]
    assert len(data.mean) == len(data.std) == splits.train.inputs.shape[1]
    assert splits.train.inputs.dtype == torch.float32
    assert splits.train.inputs.is_contiguous()
    assert splits.train.targets.dtype == torch.int64
    pixels, labels = parts["test"]
    assert np.array_equal(_raw(splits.test, data), pixels)
    assert np.array_equal(splits.test.targets.numpy(), labels)
    pixels, labels = parts["train"]
    for split in (splits.train, splits.val):
        assert np.array_equal(_raw(split, data), pixels[split.indices])
        assert np.array_equal(split.targets.numpy(), labels[split.indices])
    every = torch.cat([splits.train.indices, splits.val.indices])
    assert torch.equal(every.sort().values, torch.arange(TRAIN))


@pytest.mark.parametrize(("module", "dataset", "write"), SETS)
def test_missing_files_are_named(tmp_path, monkeypatch, module, dataset, write):
    write(tmp_path, monkeypatch, dataset)
    lost = module(root=str(tmp_path)).files()[-1]
    lost.unlink()
    with pytest.raises(FileNotFoundError) as error:
        module(root=str(tmp_path), download=False, val_size=VAL).setup()
    text = str(error.value)
    assert text.startswith(f"Expected {dataset.__name__} in '{lost.parent}', but {lost.name} is")
    assert "download is false" in text
    assert module.source in text


@pytest.mark.parametrize(("module", "dataset", "write"), SETS)
def test_no_network_is_reported(tmp_path, monkeypatch, module, dataset, write):
    def refuse(self):
        raise RuntimeError("Error downloading it")

    monkeypatch.setattr(dataset, "download", refuse)
    with pytest.raises(FileNotFoundError, match="are not there and the download failed: Error do"):
        module(root=str(tmp_path / "nowhere")).prepare_data()


@pytest.mark.parametrize(("module", "dataset", "write"), SETS)
def test_damaged_files_are_refused(tmp_path, monkeypatch, module, dataset, write):
    write(tmp_path, monkeypatch, dataset)
    data = module(root=str(tmp_path), download=False, val_size=VAL)
    file = data.files()[0]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(
        ValueError, match=f"files of {dataset.__name__} in '.*' to be the published"
    ):
        data.setup()


@pytest.mark.parametrize(
    ("module", "dataset", "write"),
    [case for case in SETS if case.id in ("MNIST", "KMNIST", "CIFAR10", "SVHN")],
)
def test_download_unpacks_what_the_mirror_gives(tmp_path, monkeypatch, module, dataset, write):
    """torchvision's real download code, with a mirror on this machine."""
    mirror = tmp_path / "mirror"
    write(mirror, monkeypatch, dataset)
    handler = partial(QuietHandler, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        _offer(dataset, mirror, address, monkeypatch)
        data = module(root=str(tmp_path / "new"), val_size=VAL)
        data.prepare_data()
        server.shutdown()
    assert len(data.splits.test.targets) == TEST


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def _offer(dataset, mirror, address, monkeypatch):
    """Pack the files as their publisher does, and let torchvision know where they are."""
    if dataset is SVHN:
        listed = {
            part: [f"{address}/{name}", name, md5]
            for part, (_, name, md5) in SVHN.split_list.items()
        }
        monkeypatch.setattr(SVHN, "split_list", listed)
    elif dataset is CIFAR10:
        archive = mirror / CIFAR10.filename
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(mirror / CIFAR10.base_folder, CIFAR10.base_folder)
        monkeypatch.setattr(CIFAR10, "url", f"{address}/{archive.name}")
        monkeypatch.setattr(CIFAR10, "tgz_md5", _md5(archive))
    else:
        resources = []
        for file in (mirror / dataset.__name__ / "raw").iterdir():
            packed = mirror / f"{file.name}.gz"
            packed.write_bytes(gzip.compress(file.read_bytes()))
            resources.append((packed.name, _md5(packed)))
        monkeypatch.setattr(dataset, "mirrors", [f"{address}/"])
        monkeypatch.setattr(dataset, "resources", resources)


class _Payload:
    """A pickle that makes a file where it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_pickle_that_somebody_changed_is_never_loaded(tmp_path, monkeypatch, name):
    write_cifar(tmp_path, monkeypatch, CIFAR10)
    mark = tmp_path / "executed"
    packed = pickle.dumps(_Payload(mark))
    pickle.loads(packed)
    assert mark.exists()  # it would do it
    mark.unlink()
    (tmp_path / CIFAR10.base_folder / name).write_bytes(packed)
    with pytest.raises(ValueError, match="not found or corrupted"):
        CIFAR10DataModule(root=str(tmp_path), val_size=VAL).setup()
    assert not mark.exists()


def test_labels_out_of_range_are_refused(tmp_path, monkeypatch):
    write_idx(tmp_path, monkeypatch, KMNIST)
    file = tmp_path / "KMNIST" / "raw" / "t10k-labels-idx1-ubyte"
    file.write_bytes(file.read_bytes()[:-1] + bytes([10]))
    with pytest.raises(ValueError, match=r"test split of KMNISTDataModule to be in \[0, 10\)"):
        KMNISTDataModule(root=str(tmp_path), val_size=VAL).setup()


def test_the_validation_split_can_not_be_everything(tmp_path, monkeypatch):
    write_svhn(tmp_path, monkeypatch, SVHN)
    with pytest.raises(ValueError, match=f"`val_size` to be below {TRAIN}.*got {TRAIN}"):
        SVHNDataModule(root=str(tmp_path), val_size=TRAIN).setup()
    with pytest.raises(ValueError, match="`val_size` to be an integer of at least 1, got 0"):
        SVHNDataModule(val_size=0)


def test_the_seed_decides_the_validation_split_and_train_size_the_rest(tmp_path, monkeypatch):
    write_idx(tmp_path, monkeypatch, KMNIST)
    one, same, other = (
        KMNISTDataModule(root=str(tmp_path), val_size=VAL, split_seed=seed, train_size=40).splits
        for seed in (0, 0, 1)
    )
    assert torch.equal(one.val.indices, same.val.indices)
    assert not torch.equal(one.val.indices, other.val.indices)
    assert one.train.targets.bincount().tolist() == [4] * 10
    assert torch.equal(one.train.inputs, same.train.inputs)
    assert not set(one.train.indices.tolist()) & set(one.val.indices.tolist())


@pytest.mark.parametrize("module", [case.values[0] for case in SETS])
def test_the_command_line_builds_each(module):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    path = f"{module.__module__}.{module.__qualname__}"
    arguments = {"root": "somewhere", "batch_size": 64, "noise_seed": 3, "augment": {"cutout": 8}}
    config = parser.parse_object({"data": {"class_path": path, "init_args": arguments}})
    data = parser.instantiate_classes(config).data
    assert (data.root, data.batch_size, data.noise_seed) == ("somewhere", 64, 3)
    assert data.augment.cutout == 8
