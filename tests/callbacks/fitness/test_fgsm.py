import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lightning_lossmeta.callbacks import FGSMFitness
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import LogisticRegression
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.modules.networks import networks_of
from lightning_lossmeta.task import Objective, Session, Task

MEAN, STD = [0.3, 0.6], [0.25, 0.4]


def _module(seed=0):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 3, 4))
    return SupervisedModule(network).eval()


def _images(count=200):
    """Raw pixels with many at the ends of their range, and labels that a module gets half right."""
    generator = torch.Generator().manual_seed(1)
    raw = torch.rand(count, 2, 3, 3, generator=generator).mul(1.6).sub(0.3).clamp(0, 1)
    return raw, torch.randint(4, (count,), generator=generator)


def _normalised(raw):
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (MEAN, STD))
    return (raw - mean) / std


def _by_hand(module, raw, target, epsilon):
    """The attack on a linear softmax model in raw pixels, in NumPy: dCE/dx = W'(p - y) / std."""
    linear = module.network[1]
    weight = linear.weight.detach().double().numpy()
    bias = linear.bias.detach().double().numpy()
    std = np.repeat(STD, 9)
    mean = np.repeat(MEAN, 9)
    pixels = raw.flatten(1).double().numpy()

    def logits(x):
        return (x - mean) / std @ weight.T + bias

    z = logits(pixels)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    slope = (p - np.eye(4)[target.numpy()]) @ weight / std
    attacked = np.clip(pixels + epsilon * np.sign(slope), 0, 1)
    return logits(attacked).argmax(1) == target.numpy()


@pytest.mark.parametrize("epsilon", [0.0, 0.02, 0.1, 0.5, 2.0])
def test_linear_model_by_hand(epsilon):
    module, (raw, target) = _module(), _images()
    attack = FGSMFitness(epsilon, MEAN, STD)
    found = attack.attacked_correct(networks_of(module), _normalised(raw), target)[0]
    expected = _by_hand(module, raw, target, epsilon)
    assert found.dtype == torch.float32
    assert np.array_equal(found.bool().numpy(), expected)
    clean = (module(_normalised(raw)).argmax(1) == target).float().mean()
    assert 0.1 < clean < 0.6
    if epsilon == 0:
        assert found.mean() == clean
    elif epsilon >= 0.1:
        assert found.mean() < clean


class _Watched(nn.Module):
    """Remembers what it was given."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.seen = []

    def forward(self, x):
        self.seen.append(x.detach())
        return self.network(x)


@pytest.mark.parametrize("epsilon", [0.1, 5.0])
def test_pixels_move_by_epsilon_and_stay_in_their_range(epsilon):
    module, (raw, target) = _module(), _images()
    module.network = _Watched(module.network)
    FGSMFitness(epsilon, MEAN, STD).attacked_correct(networks_of(module), _normalised(raw), target)[
        0
    ]
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (MEAN, STD))
    attacked = module.network.seen[-1] * std + mean
    assert attacked.min() >= -1e-6
    assert attacked.max() <= 1 + 1e-6
    moved = (attacked - raw).abs()
    assert moved.max() <= epsilon + 1e-6
    inside = (attacked > 1e-4) & (attacked < 1 - 1e-4)
    if epsilon < 1:
        torch.testing.assert_close(moved[inside], torch.full_like(moved[inside], epsilon))


def test_leaves_inputs_gradients_and_weights_alone():
    module, (raw, target) = _module(), _images()
    inputs = _normalised(raw)
    before = inputs.clone()
    with torch.no_grad():
        FGSMFitness(0.1, MEAN, STD).attacked_correct(networks_of(module), inputs, target)[0]
    assert torch.equal(inputs, before)
    assert all(value.grad is None for value in module.parameters())


def test_each_network_of_a_population_is_attacked_by_its_own_gradient():
    template, (raw, target) = _module(), _images()
    inputs = _normalised(raw)
    population = PopulationModule(template, [CrossEntropy() for _ in range(3)], ["CE"] * 3).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in population.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=generator))
    attack = FGSMFitness(0.1, MEAN, STD)
    found = attack.attacked_correct(networks_of(population), inputs, target)
    assert found.shape == (3, len(raw))
    for index in range(3):
        alone = _module()
        alone.network.load_state_dict(population.state_of(index))
        expected = attack.attacked_correct(networks_of(alone), inputs, target)[0]
        assert torch.equal(found[index], expected)
        assert np.array_equal(found[index].bool().numpy(), _by_hand(alone, raw, target, 0.1))
    assert len({float(row.mean()) for row in found}) > 1


@pytest.fixture(scope="module")
def task():
    data = DigitsDataModule()
    session = Session(steps=20, validations=2, accelerator="cpu")
    return Task(SupervisedModule(LogisticRegression(64, 10)), data, session)


def _with_attack(task, epsilon):
    attack = FGSMFitness(epsilon)
    session = attack.configure_task(task).session
    return Task(task.module, task.data, session, seed=3)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_is_the_fitness_of_a_fit_alone_or_stacked(task, epsilon):
    attacked = _with_attack(task, epsilon)
    family = TaylorFamily()
    candidates = [
        Candidate(None, (0, 0, 0, -scale, 0, 2 * scale, 0, 0)) for scale in (0.5, 1.0, 4.0)
    ]
    alone = TrainerEvaluator().evaluate(candidates, family, [attacked])
    stacked = PopulationEvaluator().evaluate(candidates, family, [attacked])
    for one, other in zip(alone, stacked, strict=True):
        assert one.fitness == one.metrics["val_fgsm_accuracy"]
        assert one.fitness == pytest.approx(other.fitness, abs=0.006)  # two of 359 images
        clean = one.metrics["val_accuracy"]
        assert clean > 0.2
        assert one.fitness == pytest.approx(clean) if epsilon == 0 else one.fitness < clean - 0.05
        assert len(one.curves["val_fgsm_accuracy"]) == 2


def test_session_is_scored_by_the_attack():
    asked = Session(objectives=(Objective("val_loss", "min"),))
    session = FGSMFitness(0.1).configure_task(Task(_module(), DigitsDataModule(), asked)).session
    assert (session.monitor, session.mode) == ("val_fgsm_accuracy", "max")
    assert session.callbacks[-1].std == pytest.approx([0.3760])


def test_finds_gradients_where_they_are_turned_off():
    module, (raw, target) = _module(), _images()
    attack = FGSMFitness(0.1, MEAN, STD)
    expected = attack.attacked_correct(networks_of(module), _normalised(raw), target)[0]
    for turned_off in (torch.no_grad, torch.inference_mode):
        with turned_off():
            found = attack.attacked_correct(networks_of(module), _normalised(raw), target.clone())[
                0
            ]
        assert torch.equal(found, expected)


def test_is_logged_in_a_fit_of_its_own():
    data = DigitsDataModule()
    trainer = pl.Trainer(
        max_steps=5,
        val_check_interval=5,
        check_val_every_n_epoch=None,
        accelerator="cpu",
        callbacks=[FGSMFitness(0.1, data.mean, data.std)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(SupervisedModule(LogisticRegression(64, 10)), datamodule=data)
    metrics = trainer.callback_metrics
    assert 0 <= metrics["val_fgsm_accuracy"] < metrics["val_accuracy"]


def test_refuses():
    for epsilon in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="`epsilon` to be a number"):
            FGSMFitness(epsilon)
    with pytest.raises(ValueError, match="`std` to hold positive numbers"):
        FGSMFitness(0.1, [0.5], [0.0])
    with pytest.raises(ValueError, match="LightningDataModule to have attributes `mean` and `std`"):
        FGSMFitness(0.1).configure_task(Task(_module(), pl.LightningDataModule()))
    with pytest.raises(ValueError, match="`mean` and `std` for an attack"):
        FGSMFitness(0.1).attacked_correct(networks_of(_module()), *_images())[0]
