"""Threads are given where they are worth it, and given back."""

import pytest
import torch
from torch import nn

from lightning_lossmeta import GradientRefiner, PopulationEvaluator
from lightning_lossmeta.evaluators.population.evaluator import _width
from lightning_lossmeta.models import MLP, LeNet5
from lightning_lossmeta.task import Session
from lightning_lossmeta.training.threads import LARGE, threads_for, torch_threads


@pytest.fixture
def three_threads():
    with torch_threads(3):
        yield


def test_threads_are_given_back_whatever_happens(three_threads):
    with torch_threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError), torch_threads(2):
        _ = 1 / 0
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("network", "threads"),
    [
        (MLP(10, [100, 100], 1), 1),
        (nn.Linear(LARGE - 1, 1, bias=False), 1),
        (nn.Linear(LARGE, 1, bias=False), 3),
        (LeNet5(num_classes=10), 3),
        (nn.ReLU(), 1),
    ],
)
def test_large_networks_and_convolutions_get_all(three_threads, network, threads):
    assert threads_for(network) == threads


@pytest.mark.parametrize("kind", [PopulationEvaluator, GradientRefiner])
def test_refuses_none_at_all(kind):
    with pytest.raises(ValueError, match="threads"):
        kind(threads=0)


def test_a_stack_is_narrower_where_its_gradients_would_be_large_blocks():
    cpu = Session(accelerator="cpu")
    assert _width(MLP(10, [1000, 1000], 1), cpu) == 8  # of 4,000,000 bytes; nine were above 32 MiB
    assert _width(nn.Linear(3000, 3000), cpu) == 1
    frozen = MLP(10, [1000, 1000], 1).requires_grad_(False)
    assert _width(frozen, cpu) > 1000
    assert _width(nn.ReLU(), cpu) > 1000
