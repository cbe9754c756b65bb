import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.datasets import MNIST

from lightning_lossmeta.data import DigitsDataModule, MNISTDataModule

REAL = Path(__file__).parents[2] / ".." / "shared" / "data"
real_mnist = pytest.mark.skipif(
    not (REAL / "MNIST" / "raw").is_dir(), reason="the MNIST files are not beside the checkout"
)


def _write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, count in (("train", 200), ("t10k", 20)):
        _write_idx(raw / f"{name}-images-idx3-ubyte", generator.integers(0, 256, (count, 28, 28)))
        _write_idx(raw / f"{name}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def _rows(split):
    return {tuple(row) for row in split.inputs.flatten(1).tolist()}


def test_digits_are_split_without_overlap_and_hold_everything():
    splits = DigitsDataModule().splits
    parts = [splits.train, splits.val, splits.test]
    assert [len(part.targets) for part in parts] == [1078, 359, 360]
    everything = torch.cat([part.inputs for part in parts]).flatten(1)
    pixels = everything * 0.3760 + 0.3053
    raw = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    assert torch.allclose(pixels.sum(), raw.sum(), rtol=1e-5)
    # scikit-learn's digits have no two images alike, so that rows tell samples apart
    assert len(_rows(splits.train) | _rows(splits.val) | _rows(splits.test)) == 1797


def test_digits_classes_are_balanced_and_the_seed_changes_the_split():
    one, other = DigitsDataModule(split_seed=0).splits, DigitsDataModule(split_seed=1).splits
    for part in (one.train, one.val, one.test):
        counts = part.targets.bincount(minlength=10)
        assert counts.min() > 0.9 * counts.max() * 0.9
    assert not torch.equal(one.train.inputs, other.train.inputs)
    assert torch.equal(one.train.inputs, DigitsDataModule(split_seed=0).splits.train.inputs)


def test_declared_normalisation_is_that_of_the_pixels():
    train = DigitsDataModule().splits.train.inputs
    assert abs(float(train.mean())) < 0.02
    assert abs(float(train.std()) - 1) < 0.02


def test_train_size_keeps_a_balanced_part():
    data = DigitsDataModule(train_size=100)
    assert data.splits.train.targets.bincount().tolist() == [10] * 10
    assert len(data.splits.val.targets) == 359
    with pytest.raises(ValueError, match=r"at most 1078.*got 2000"):
        DigitsDataModule(train_size=2000).setup()


def test_a_pickle_is_small_and_reads_the_data_again():
    data = DigitsDataModule(batch_size=7)
    data.setup()
    packed = pickle.dumps(data)
    assert len(packed) < 2000
    again = pickle.loads(packed)
    assert again.batch_size == 7
    assert torch.equal(again.splits.test.inputs, data.splits.test.inputs)


@pytest.mark.parametrize("name", ["batch_size", "eval_batch_size", "train_size"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` to be an integer of at least 1, got 0"):
        DigitsDataModule(**{name: 0})


def test_mnist_reads_the_four_files(small_mnist):
    data = MNISTDataModule(root=str(small_mnist), download=False, val_size=100, batch_size=8)
    data.prepare_data()
    data.setup("fit")
    splits = data.splits
    assert [len(s.targets) for s in (splits.train, splits.val, splits.test)] == [100, 100, 20]
    assert splits.train.inputs.shape == (100, 1, 28, 28)
    raw = np.frombuffer(
        (small_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:], np.uint8
    )
    expected = (raw.reshape(20, 1, 28, 28) / 255 - 0.1307) / 0.3081
    assert np.allclose(splits.test.inputs.numpy(), expected, atol=1e-5)
    assert not _rows(splits.train) & _rows(splits.val)


@real_mnist
def test_the_real_mnist():
    splits = MNISTDataModule(root=str(REAL), download=False).splits
    parts = (splits.train, splits.val, splits.test)
    assert [len(part.targets) for part in parts] == [50_000, 10_000, 10_000]
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert splits.test.targets.bincount().tolist() == published
    assert splits.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert abs(float(splits.train.inputs.mean())) < 0.01


@real_mnist
@pytest.mark.parametrize(("val_size", "seed"), [(10_000, 0), (6_000, 3)])
def test_the_real_mnist_is_split_as_it_always_was(val_size, seed):
    """Figures of earlier versions can be had again: their formula, written out."""
    data = MNISTDataModule(root=str(REAL), download=False, val_size=val_size, split_seed=seed)
    full = MNIST(str(REAL), train=True)
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(seed))
    pixels = full.data.unsqueeze(1).float().div_(255).sub_(0.1307).div_(0.3081)
    for split, positions in (
        (data.splits.val, order[:val_size]),
        (data.splits.train, order[val_size:]),
    ):
        assert torch.equal(split.inputs, pixels[positions])
        assert torch.equal(split.targets, full.targets[positions])
        assert torch.equal(split.indices, positions)
