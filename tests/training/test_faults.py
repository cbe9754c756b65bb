"""Whose fault an error is, told by where it was raised."""

import copy
import pickle
import zipfile

import pytest
import torch
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.utils.data import DataLoader, Dataset

from lightning_lossmeta.training.faults import (
    MachineError,
    machine_error,
    refuse_machine_error,
    with_advice,
)


def _raised(work):
    with pytest.raises(Exception) as caught:  # noqa: PT011  # of any type
        work()
    return caught.value


class _Unreadable(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, index):
        raise self.error


class _LossOfAFile(nn.Module):
    """Reads what is not there, itself or by a loader of its own."""

    def __init__(self, error, loader):
        super().__init__()
        self.error = error
        self.loader = loader

    def forward(self, output, target):
        if self.loader:
            return next(iter(DataLoader(_Unreadable(self.error))))
        raise self.error


class _Unmounted(BlobsData):
    def setup(self, stage):
        raise KeyError("train.h5")


class _Logs(StrangersNet):
    """Its own step needs a file; its loss is none of its modules, as before the first fit."""

    def __init__(self):
        super().__init__()
        self.loss_fn = None

    def training_step(self, batch, batch_idx):
        return _opened()


def _opened():
    return open("/no/such/file")


def _step(loss):
    module = StrangersNet()
    module.loss_fn = loss
    return _raised(lambda: module.training_step((torch.zeros(2, 6), torch.zeros(2).long()), 0))


def _read(error, processes=0):
    return _raised(lambda: next(iter(DataLoader(_Unreadable(error), num_workers=processes))))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: _read(zipfile.BadZipFile("Bad CRC")), "can't be read: BadZipFile: Bad CRC"),
        (lambda: _read(OSError(5, "Input/output error"), 1), r"^OSError: .*Input/output error\.$"),
        (lambda: _read(KeyError("a.png"), 1), r"can't be read: KeyError: 'a\.png'\.$"),
        (lambda: _raised(lambda: _Unmounted().setup("fit")), "can't be read: KeyError: 'train.h5'"),
        (lambda: _raised(_opened), "FileNotFoundError: .*test_faults.py"),
        (lambda: _raised(lambda: _Logs().training_step(None, 0)), "FileNotFoundError: .*faults.py"),
        (lambda: ConnectionResetError("by peer"), "ConnectionResetError: by peer"),
        (lambda: torch.AcceleratorError("CUDA error: unspecified"), "AcceleratorError: CUDA"),
        (lambda: _step(_LossOfAFile(OSError(5, "Input/output error"), True)), "Input/output error"),
    ],
)
def test_of_the_machine_or_the_data(make, said):
    error = machine_error(make())
    assert "\n" not in str(error)
    with pytest.raises(MachineError, match=said):
        raise error


@pytest.mark.parametrize(
    "make",
    [
        lambda: _step(_LossOfAFile(OSError(5, "mine"), False)),
        lambda: _step(_LossOfAFile(ArithmeticError("mine"), False)),
        lambda: _raised(lambda: StrangersNet()(None)),
        lambda: torch.OutOfMemoryError("80 GiB"),
        lambda: RuntimeError("whose?"),
    ],
)
def test_of_a_loss_or_nobody_knows_whose(make):
    error = make()
    assert machine_error(error) is None
    refuse_machine_error(error, "try again")
    with pytest.raises(type(error)), with_advice(lambda: "try again"):
        raise error


def test_advice_is_the_outermost_ones_and_survives_a_pipe():
    outer, inner = with_advice(lambda: "Outer."), with_advice(lambda: "Inner.")
    with pytest.raises(MachineError) as caught, outer, inner:
        raise OSError(28, "No space left on device", "a.json")
    error = caught.value
    assert str(error).startswith("No space left on device: 'a.json'; make room.")
    assert str(error).endswith(" Outer.")
    assert error.__cause__ is not error
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(again) == str(error)
        assert again.reason == error.reason
