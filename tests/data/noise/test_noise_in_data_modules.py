"""Label noise by way of a data module: order of things, seeds, splits, command line."""

import copy
import pickle

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser

from lightning_lossmeta.data import (
    DigitsDataModule,
    InstanceNoise,
    MNISTDataModule,
    PairFlipNoise,
    Split,
    Splits,
    SymmetricNoise,
    TensorDataModule,
    TransitionNoise,
)


class Table(TensorDataModule):
    num_classes, mean, std = 3, (0.0,), (1.0,)

    def load(self):
        whole = Split(torch.arange(300.0)[:, None], torch.arange(300) % 3, None, torch.arange(300))
        return Splits(*(whole.take(part) for part in torch.arange(300).split([180, 60, 60])))


@given(size=st.integers(3, 180), rate=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 999))
def test_of_the_kept_samples_exactly_the_rate_is_flipped(size, rate, seed):
    data = Table(train_size=size, noise=SymmetricNoise(rate), noise_seed=seed)
    train = data.splits.train
    assert int(train.flipped.sum()) == round(rate * size)
    assert torch.equal(train.clean, train.indices % 3)


def test_noise_changes_neither_which_samples_there_are_nor_validation_and_test():
    plain, noisy = (
        DigitsDataModule(train_size=200),
        DigitsDataModule(train_size=200, noise=SymmetricNoise(0.5)),
    )
    assert torch.equal(plain.splits.train.inputs, noisy.splits.train.inputs)
    assert torch.equal(plain.splits.train.targets, noisy.splits.train.clean)
    assert plain.splits.train.clean is None
    for one, other in (
        (plain.splits.val, noisy.splits.val),
        (plain.splits.test, noisy.splits.test),
    ):
        assert torch.equal(one.targets, other.targets)
        assert other.clean is None


def test_validation_noise_is_exact_and_of_its_own_seed():
    class Twice(Table):
        """Validation samples that are those of training."""

        def load(self):
            splits = super().load()
            return Splits(splits.train, splits.train, splits.test)

    splits = Twice(noise=SymmetricNoise(0.4), noisy_validation=True).splits
    assert int(splits.train.flipped.sum()) == int(splits.val.flipped.sum()) == 72
    assert not torch.equal(splits.train.flipped, splits.val.flipped)
    without = Twice(noise=SymmetricNoise(0.4)).splits
    assert torch.equal(without.train.targets, splits.train.targets)
    assert splits.test.clean is None


def test_the_noise_seed_decides_and_the_split_seed_does_not_repeat_it():
    noise = SymmetricNoise(0.5)
    one, same, other = (Table(noise=noise, noise_seed=seed).splits for seed in (0, 0, 1))
    assert torch.equal(one.train.targets, same.train.targets)
    assert not torch.equal(one.train.targets, other.train.targets)
    # Both seeds 0: who is kept and who flips have nothing to do with each other.
    kept = Table(noise=noise, train_size=90).splits.train
    first = kept.flipped[:45].sum()
    assert 15 < int(first) < 30


def test_batches_hold_the_noisy_labels():
    data = Table(noise=PairFlipNoise(0.5), batch_size=180)
    train = data.splits.train
    (inputs, targets), *_ = data.train_dataloader()
    by_input = dict(zip(train.inputs.flatten().tolist(), train.targets.tolist(), strict=True))
    assert [by_input[x] for x in inputs.flatten().tolist()] == targets.tolist()
    _, (val) = next(iter(data.val_dataloader()))
    assert torch.equal(val, data.splits.val.targets)


def test_copies_and_pickles_draw_the_same_noise():
    data = DigitsDataModule(noise=InstanceNoise(0.4), noise_seed=7)
    data.setup()
    packed = pickle.dumps(data)
    assert len(packed) < 2000
    for twin in (pickle.loads(packed), copy.deepcopy(data)):
        assert twin._splits is None
        torch.manual_seed(99)
        assert torch.equal(twin.splits.train.targets, data.splits.train.targets)
    assert copy.copy(data).splits is data.splits


def test_positions_follow_the_samples():
    for train_size in (None, 50):
        splits = DigitsDataModule(split_seed=3, train_size=train_size).splits
        reference = DigitsDataModule(split_seed=0).splits
        images = torch.cat([split.inputs for _, split in reference.named()])
        order = torch.cat([split.indices for _, split in reference.named()]).argsort()
        for _, split in splits.named():
            assert torch.equal(images[order][split.indices], split.inputs)


def _write_mnist(folder, count=200):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("train", "t10k"):
        images = generator.integers(0, 256, (count, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            header = bytes([0, 0, 8, array.ndim])
            header += b"".join(size.to_bytes(4, "big") for size in array.shape)
            (raw / f"{name}-{kind}-ubyte").write_bytes(header + array.astype(np.uint8).tobytes())


def test_mnist_knows_positions_in_the_training_file_and_takes_noise(tmp_path):
    _write_mnist(tmp_path)
    data = MNISTDataModule(
        str(tmp_path), val_size=100, train_size=50, noise=PairFlipNoise(0.2), noise_seed=1
    )
    splits = data.splits
    assert torch.equal(splits.train.indices % 10, splits.train.clean)
    assert torch.equal(splits.val.indices % 10, splits.val.targets)
    assert splits.test.indices is None
    assert int(splits.train.flipped.sum()) == 10


def _parser():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    return parser


@pytest.mark.parametrize("name", ["MNISTDataModule", "DigitsDataModule"])
def test_the_help_shows_the_arguments_of_the_base(name, capsys):
    with pytest.raises(SystemExit):
        _parser().parse_args([f"--data.help=lightning_lossmeta.data.{name}"])
    text = capsys.readouterr().out
    for argument in ("noise", "noise_seed", "noisy_validation", "train_size", "batch_size"):
        assert f"--data.init_args.{argument}" in text or f"--data.{argument}" in text
    assert "Corrupts the labels" in text


@pytest.mark.parametrize("name", ["MNISTDataModule", "DigitsDataModule"])
@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        ({"class_path": "SymmetricNoise", "init_args": {"rate": 0.8}}, SymmetricNoise(0.8)),
        (
            {"class_path": "PairFlipNoise", "init_args": {"rate": 0.4, "pairs": {"9": 1, "2": 0}}},
            PairFlipNoise(0.4, {9: 1, 2: 0}),
        ),
        (
            {"class_path": "TransitionNoise", "init_args": {"matrix": [[0.9, 0.1], [0, 1]]}},
            TransitionNoise([[0.9, 0.1], [0.0, 1.0]]),
        ),
        ({"class_path": "InstanceNoise", "init_args": {"rate": 0.1}}, InstanceNoise(0.1)),
    ],
)
def test_the_command_line_builds_noise(name, noise, expected):
    noise = {**noise, "class_path": f"lightning_lossmeta.data.{noise['class_path']}"}
    config = _parser().parse_object(
        {
            "data": {
                "class_path": f"lightning_lossmeta.data.{name}",
                "init_args": {"noise": noise, "noise_seed": 5, "noisy_validation": True},
            }
        }
    )
    data = _parser().instantiate_classes(config).data
    assert type(data.noise) is type(expected)
    assert vars(data.noise) == vars(expected)
    assert (data.noise_seed, data.noisy_validation, data.batch_size) == (5, True, 100)


def test_a_misspelt_argument_is_refused():
    with pytest.raises(TypeError, match="noise_rate"):
        MNISTDataModule(noise_rate=0.1)


def test_what_is_no_noise_is_refused():
    with pytest.raises(ValueError, match="`noise` to be a LabelNoise or None, got 'symmetric'"):
        Table(noise="symmetric")
    with pytest.raises(ValueError, match=r"`noise_seed` to be an integer from 0 to .*got -1"):
        Table(noise_seed=-1)


def test_noise_on_targets_that_are_no_classes_is_refused():
    class Regression(Table):
        def load(self):
            splits = super().load()
            return Splits(*(Split(part.inputs, part.targets.float()) for _, part in splits.named()))

    assert len(Regression().splits.train.targets) == 180
    with pytest.raises(ValueError, match=r"train split to be one class index.*float32"):
        Regression(noise=SymmetricNoise(0.1)).setup()
