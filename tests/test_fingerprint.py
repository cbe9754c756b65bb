from functools import partial

import pytest
import torch
from torch import nn

from lightning_lossmeta._fingerprint import arguments, changed_keys, digest, jsonable, module
from lightning_lossmeta.data import DigitsDataModule, SymmetricNoise
from lightning_lossmeta.losses import ForwardCorrection


def test_a_data_module_is_described_with_what_it_hands_on():
    found = arguments(DigitsDataModule(batch_size=7, noise=SymmetricNoise(0.3)))
    assert found["class"] == "DigitsDataModule"
    assert found["batch_size"] == 7
    assert found["noise"] == {"class": "SymmetricNoise", "rate": 0.3}


def test_values_that_are_not_printed_tell_modules_apart():
    one, other = ([[0.9, 0.1], [0.2, 0.8]], [[0.8, 0.2], [0.2, 0.8]])
    assert repr(ForwardCorrection(one)) == repr(ForwardCorrection(other))
    assert module(ForwardCorrection(one)) == module(ForwardCorrection(one))
    assert module(ForwardCorrection(one)) != module(ForwardCorrection(other))


def test_no_addresses():
    values = jsonable([partial(nn.Linear, 3), print, torch.ones(2), (1, "a", None), object])
    assert "0x" not in str(values)
    assert values[2] == [1.0, 1.0]
    assert values[3] == [1, "a", None]


@pytest.mark.parametrize("other", [{"a": 1}, {"a": 1.5, "b": [1]}, {"a": 1, "b": [1, 2]}])
def test_digests_differ_with_the_values(other):
    assert digest({"a": 1, "b": [1]}) != digest(other)


def test_changed_keys():
    assert changed_keys({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}) == ["a.b: 1 -> 3"]
