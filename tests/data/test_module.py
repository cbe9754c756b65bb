"""What the data modules in memory and those that read images as they go have in common."""

import copy
import pickle

import pytest

from lightning_lossmeta.data import (
    Clothing1MDataModule,
    DigitsDataModule,
    ImageFolderDataModule,
    JPEGArchiveDataModule,
    MNISTDataModule,
)

MODULES = {
    "digits": DigitsDataModule,
    "MNIST": MNISTDataModule,
    "folder": lambda **given: ImageFolderDataModule("nowhere", **given),
    "archive": lambda **given: JPEGArchiveDataModule("nowhere", **given),
    "Clothing1M": lambda **given: Clothing1MDataModule("nowhere", **given),
}


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
@pytest.mark.parametrize(
    ("argument", "least"),
    [("batch_size", 1), ("eval_batch_size", 1), ("train_size", 1), ("split_seed", 0)],
)
@pytest.mark.parametrize("wrong", [-1, 2.5, True, "3"])
def test_wrong_numbers_are_refused_alike(make, argument, least, wrong):
    message = f"`{argument}` to be an integer of at least {least}, got {wrong!r}"
    with pytest.raises(ValueError, match=message):
        make(**{argument: wrong})


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_copies_and_pickles_leave_the_trainer_and_what_was_set_up(make):
    data = make(batch_size=7, train_size=30, split_seed=3)
    data.trainer = object()
    data.__dict__["_lossmeta_stages"] = {"fit"}
    again = pickle.loads(pickle.dumps(data))
    assert (again.batch_size, again.train_size, again.split_seed) == (7, 30, 3)
    assert again.trainer is None
    assert "_lossmeta_stages" not in again.__dict__
    assert copy.copy(data).__dict__ == data.__dict__


def test_the_data_are_shared_by_copies_and_left_out_of_pickles():
    data = DigitsDataModule()
    splits = data.splits
    assert copy.copy(data).splits is splits
    assert len(pickle.dumps(data)) < 2000
