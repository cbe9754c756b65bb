"""Training on attacked images against the algorithm written out, and what it is good for."""

import math
from typing import ClassVar

import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData
from torch import nn
from torch.nn.functional import cross_entropy

from lightning_lossmeta.callbacks import PGDFitness
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import AdversarialTraining, SupervisedModule
from lightning_lossmeta.modules.networks import networks_of
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

DATA = DigitsDataModule(batch_size=100)


class _Watched(AdversarialTraining):
    """Keeps what comes in and goes out."""

    seen: ClassVar[list] = []

    def wrap(self, module):
        wrapped = super().wrap(module)
        inner = wrapped.attacked

        def attacked(inputs, target):
            weights = [value.detach().clone() for value in wrapped.network.parameters()]
            out = inner(inputs, target)
            self.seen.append((inputs, target, out, weights, wrapped.network.training))
            return out

        wrapped.attacked = attacked
        return wrapped


def _fit(method, steps=6, seed=3):
    task = Task(SupervisedModule(MLP(64, [32], 10)), DATA, Session(steps, accelerator="cpu"), seed)
    module = task.fresh_module()
    if method is not None:
        module = method.wrap(module)
    module.loss_fn = CrossEntropy()
    run_session(module, task)
    return module.eval()


def test_a_batch_is_moved_as_in_the_paper():
    _Watched.seen.clear()
    _fit(_Watched(0.1, 1.25))
    mean, std = DATA.mean[0], DATA.std[0]
    assert len(_Watched.seen) == 6
    at_corners = 0
    for inputs, target, out, weights, training in _Watched.seen:
        raw, moved = inputs * std + mean, out * std + mean
        assert (moved - raw).abs().max() <= 0.1 + 1e-6
        assert moved.min() >= -1e-6
        assert moved.max() <= 1 + 1e-6
        assert training, "the network goes on in training mode"
        # Wherever the random start was, a step of 1.25 epsilon ends in the outer quarter or beyond.
        network = MLP(64, [32], 10)
        for value, own in zip(network.parameters(), weights, strict=True):
            value.data.copy_(own)
        places = inputs.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(network(places), target), places)
        inside = (raw > 0.1) & (raw < 0.9) & (gradient != 0)
        change = (moved - raw)[inside] * gradient[inside].sign()
        assert (change > 0.025 - 1e-5).float().mean() > 0.85, "at most signs of small slopes differ"
        assert change.abs().min() > 0.025 - 1e-5
        at_corners += ((change - 0.1).abs() < 1e-5).float().mean() / 6
    assert 0.5 < at_corners < 0.66, "five starts of eight reach the corner"


def test_starts_are_drawn_anew_each_step_and_again_by_the_same_seed():
    changes = []
    for seed in (3, 3, 4):
        _Watched.seen.clear()
        _fit(_Watched(0.1, 0.0), seed=seed)
        changes.append([out - inputs for inputs, _, out, *_ in _Watched.seen])
    first, again, other = changes
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_batches_and_random_numbers_are_those_of_a_fit_without():
    _Watched.seen.clear()
    plain, nothing = _fit(None), _fit(_Watched(0.0))
    for mine, other in zip(plain.parameters(), nothing.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


def test_its_networks_withstand_many_steps():
    split = DATA.splits.test
    attack = PGDFitness(0.1).prepare(Task(SupervisedModule(MLP(64, [8], 10)), DATA))
    plain, trained = (
        attack.attacked_correct(networks_of(_fit(method, 300)), split.inputs, split.targets).mean()
        for method in (None, AdversarialTraining(0.1))
    )
    assert trained > plain + 0.1


def test_statistics_of_batches_are_moved_by_the_attacked_batch_alone():
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))
    task = Task(SupervisedModule(network), DATA, Session(7, accelerator="cpu"))
    module = AdversarialTraining(0.1).wrap(task.fresh_module())
    run_session(module, task)
    assert int(module.network[1].num_batches_tracked) == 7


def test_refuses():
    for wrong in ({"epsilon": -0.1}, {"epsilon": math.nan}, {"step_factor": -1.0}):
        with pytest.raises(ValueError, match="to be a number in"):
            AdversarialTraining(**wrong)
    with pytest.raises(ValueError, match="positive numbers"):
        AdversarialTraining(mean=(0.5,), std=(0.0,))
    with pytest.raises(TypeError, match="SupervisedModule"):
        AdversarialTraining().wrap(pl.LightningModule())
    module = AdversarialTraining(0.1).wrap(SupervisedModule(nn.Linear(6, 3)))
    with pytest.raises(RuntimeError, match="trained by a Trainer"):
        module.attacked(torch.rand(2, 6), torch.zeros(2, dtype=torch.int64))
    task = Task(module, BlobsData(), Session(2, accelerator="cpu"))
    with pytest.raises(ValueError, match=r"BlobsData to have attributes `mean` and `std`"):
        run_session(module, task)


def test_is_trained_beside_losses():
    from lightning_lossmeta.comparison import AttackConfig, ComparisonConfig, attack_losses
    from lightning_lossmeta.evaluators import AutoEvaluator, PopulationEvaluator, TrainerEvaluator

    task = Task(SupervisedModule(MLP(64, [32], 10)), DATA, Session(accelerator="cpu"))
    found = attack_losses(
        {"CE": CrossEntropy(), "FGSM-RS": AdversarialTraining(0.1)},
        task,
        AutoEvaluator([PopulationEvaluator(), TrainerEvaluator()], probe_steps=2),
        ComparisonConfig(seeds=2, learning_rate_factors=(1.0,), steps=150),
        AttackConfig(epsilons=(0.0, 0.1), steps=5),
        {},
    )
    assert all(result.status is Status.OK for item in found for result in item.results)
    plain, trained = (item.row("pgd", 0.1).mean for item in found)
    assert trained > plain
    assert all(value > 0 for item in found for value in item.seconds)
