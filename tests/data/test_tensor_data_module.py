"""What every data module inherits, on a module made for the test."""

import copy
import pickle

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser

from lightning_lossmeta import SupervisedModule
from lightning_lossmeta.data import (
    BatchLoader,
    DigitsDataModule,
    MNISTDataModule,
    Split,
    Splits,
    TensorDataModule,
)
from lightning_lossmeta.models import LogisticRegression


class CountingData(TensorDataModule):
    num_classes, mean, std = 3, (0.0,), (1.0,)
    reads = 0

    def load(self):
        self.reads += 1
        whole = Split(torch.arange(30.0)[:, None], torch.arange(30) % 3)
        return Splits(*(whole.take(part) for part in torch.arange(30).split(10)))


def _fair_counts(available, count):
    """Deal out one sample a class in turns, by hand."""
    given_out = [0] * len(available)
    while sum(given_out) < min(count, sum(available)):
        poorest = min(
            (n for n, most in zip(given_out, available, strict=True) if n < most), default=0
        )
        for label, most in enumerate(available):
            if given_out[label] == poorest < most and sum(given_out) < count:
                given_out[label] += 1
    return sorted(given_out)


@given(
    available=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    count=st.integers(1, 80),
    seed=st.integers(0, 1000),
    dtype=st.sampled_from([torch.int64, torch.int32, torch.uint8]),
)
def test_subsets_are_as_balanced_as_the_classes_allow_and_nested(available, count, seed, dtype):
    targets = torch.repeat_interleave(torch.arange(len(available)), torch.tensor(available))
    loader = BatchLoader(torch.arange(len(targets))[:, None], targets.to(dtype), batch_size=4)
    subset = loader.subset(count, seed)
    counts = subset.targets.long().bincount(minlength=len(available)).tolist()
    assert sorted(counts) == _fair_counts(available, count)
    assert torch.equal(targets[subset.inputs.flatten()], subset.targets.long())
    larger = loader.subset(count + 1, seed).inputs
    assert torch.equal(larger[: len(subset.inputs)], subset.inputs)


def test_a_thousand_classes_give_one_sample_each():
    loader = BatchLoader(torch.zeros(5000, 1), torch.arange(5000) % 1000, batch_size=10)
    assert loader.subset(1000, seed=3).targets.unique().numel() == 1000


@pytest.mark.parametrize("shuffle", [False, True])
def test_changing_a_batch_in_place_leaves_the_data_alone(shuffle):
    loader = BatchLoader(torch.zeros(6, 2), torch.zeros(6).long(), 4, shuffle)
    for inputs, targets in loader:
        inputs.add_(1)
        targets.add_(1)
    assert not loader.inputs.any()
    assert not loader.targets.any()


def test_the_data_are_read_once_and_only_when_needed():
    data = CountingData()
    assert data.reads == 0
    data.setup("fit")
    data.setup("test")
    data.setup()
    _ = data.train_dataloader(), data.val_dataloader(), data.predict_dataloader()
    assert data.reads == 1


def test_a_shallow_copy_shares_the_data_and_a_deep_one_reads_them_again():
    data = CountingData()
    data.setup()
    assert copy.copy(data).splits is data.splits
    again = copy.deepcopy(data)
    assert again.splits is not data.splits
    assert again.reads == 2


def test_lightning_trains_validates_and_predicts_with_it_and_the_pickle_stays_small():
    data = DigitsDataModule(batch_size=100)
    torch.manual_seed(0)
    module = SupervisedModule(LogisticRegression(64, 10))
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == 30
    (scores,) = trainer.validate(module, datamodule=data, verbose=False)
    assert scores["val_accuracy"] > 0.85
    outputs = trainer.predict(module, datamodule=data)
    assert torch.cat(outputs).shape == (360, 10)
    assert data.trainer is trainer
    assert len(pickle.dumps(data)) < 2000


@pytest.mark.parametrize("value", [1.5, "8", True, -1])
def test_sizes_that_are_no_positive_integers_are_refused(value):
    with pytest.raises(ValueError, match="`batch_size`"):
        CountingData(batch_size=value)
    with pytest.raises(ValueError, match="`val_size`"):
        MNISTDataModule(val_size=value)


def test_a_negative_split_seed_is_refused():
    with pytest.raises(ValueError, match="`split_seed` to be an integer of at least 0, got -1"):
        CountingData(split_seed=-1)


def test_the_command_line_builds_data_modules_from_class_paths():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data")
    config = parser.parse_object(
        {
            "data": {
                "class_path": "lightning_lossmeta.data.MNISTDataModule",
                "init_args": {"root": "somewhere", "train_size": 50, "download": False},
            }
        }
    )
    data = parser.instantiate_classes(config).data
    assert isinstance(data, MNISTDataModule)
    assert (data.root, data.train_size, data.download) == ("somewhere", 50, False)


class _Labelled(CountingData):
    """Splits with labels of the test's choice."""

    labels = ([0, 1, 2], [0, 1, 2], [0, 1, 2])

    def load(self):
        return Splits(*(Split(torch.zeros(len(y), 1), torch.tensor(y)) for y in self.labels))


@pytest.mark.parametrize(("place", "name"), enumerate(["train", "val", "test"]))
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 2, 2], r"every class, but it has no sample of class 1\."),
        ([2, 2, 2, 2], r"no sample of class 0, 1\."),
        ([0, 1], r"at least 3 samples, one of each class, got 2\."),
        ([0, 1, 2, 3], r"in \[0, 3\) for 3 classes, got 0 to 3\."),
        ([0, 1, 2, -1], "got -1 to 2"),
    ],
)
def test_splits_without_a_class_are_refused_before_training(place, name, labels, message):
    class Data(_Labelled):
        pass

    Data.labels = tuple(labels if i == place else [0, 1, 2] for i in range(3))
    with pytest.raises(ValueError, match=f"the {name} split of Data.*{message}"):
        Data().setup("fit")
    _Labelled().setup("fit")


def test_fewer_training_samples_than_classes_are_refused():
    with pytest.raises(ValueError, match=r"train split .* at least 10 samples, .*got 9"):
        DigitsDataModule(train_size=9).setup()
    assert DigitsDataModule(train_size=10).splits.train.targets.sort().values.tolist() == [
        *range(10)
    ]


def test_a_kept_part_is_that_of_the_loader():
    """What ``train_size`` keeps has not changed since it was the loader's own subset."""
    whole = DigitsDataModule(split_seed=2).splits.train
    expected = BatchLoader(whole.inputs, whole.targets, 100).subset(77, 2)
    kept = DigitsDataModule(split_seed=2, train_size=77).splits.train
    assert torch.equal(kept.inputs, expected.inputs)
    assert torch.equal(kept.targets, expected.targets)


def test_taking_samples_takes_all_that_is_known_of_them():
    split = Split(*(torch.arange(5) + 10 * k for k in range(4)))
    taken = split.take(torch.tensor([4, 0]))
    assert [
        part.tolist() for part in (taken.inputs, taken.targets, taken.clean, taken.indices)
    ] == [
        [4, 0],
        [14, 10],
        [24, 20],
        [34, 30],
    ]
    assert Split(split.inputs, split.targets).take(torch.tensor([0])).clean is None
