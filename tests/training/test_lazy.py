"""Modules whose layers learn their sizes from data."""

import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet
from torch import nn

from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.lazy import has_lazy_layers, sized


def _network(first):
    return nn.Sequential(first, nn.ReLU(), nn.Linear(8, 3))


def _task(first, seed=4):
    session = Session(steps=6, accelerator="cpu")
    return Task(SupervisedModule(_network(first)), BlobsData(), session, seed=seed)


@pytest.mark.parametrize("evaluator", [TrainerEvaluator(), PopulationEvaluator()])
def test_a_lazy_network_trains(evaluator):
    family = TaylorFamily(start="mse")
    task = sized(_task(nn.LazyLinear(8)))
    (found,) = evaluator.evaluate([family.space.sample(0)], family, [task])
    assert found.trained, found.message


def test_weights_are_those_of_the_seed_and_the_original_stays_lazy():
    task = _task(nn.LazyLinear(8))
    one, again = (sized(task).fresh_module() for _ in range(2))
    other = sized(_task(nn.LazyLinear(8), seed=5)).fresh_module()
    assert one.network[0].weight.shape == (8, 6)
    for layer in (0, 2):
        assert torch.equal(one.network[layer].weight, again.network[layer].weight)
        assert not torch.equal(one.network[layer].weight, other.network[layer].weight)
    assert has_lazy_layers(task.module)


def test_what_is_not_lazy_is_left_as_it_is():
    task = _task(nn.Linear(6, 8))
    assert sized(task) is task


def test_running_statistics_are_untouched():
    def make():  # torch can't copy a lazy norm
        return SupervisedModule(nn.Sequential(nn.LazyBatchNorm1d(), nn.LazyLinear(3)))

    norm = sized(Task(make, BlobsData())).fresh_module().network[0]
    assert int(norm.num_batches_tracked) == 0
    assert torch.equal(norm.running_mean, torch.zeros(6))


class _NoForward(StrangersNet):
    forward = pl.LightningModule.forward

    def __init__(self):
        super().__init__()
        self.body = nn.LazyLinear(3)


def test_without_a_forward_pass_it_says_what_to_do():
    with pytest.raises(ValueError, match=r"_NoForward, which has lazy layers.*give the sizes"):
        sized(Task(_NoForward(), BlobsData()))
