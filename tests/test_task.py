import copy
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet, WithoutLoss
from torch import nn

from lightning_lossmeta.task import Horizons, Objective, Session, Task


def _weights(module):
    return torch.cat([value.detach().flatten() for value in module.parameters()])


def _task(module, seed=0):
    return Task(module, BlobsData(), seed=seed)


def _seed_globals(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class _Drawing(StrangersNet):
    """Draws from all three global generators, as a factory may."""

    def __init__(self):
        super().__init__()
        numbers = [random.random(), float(np.random.rand()), float(torch.rand(()))]
        self.drawn = nn.Parameter(torch.tensor(numbers))


@pytest.mark.parametrize("module", [StrangersNet(), StrangersNet, _Drawing])
def test_weights_come_from_the_seed_alone(module):
    _seed_globals(1)
    first = _weights(_task(module).fresh_module())
    _seed_globals(2)
    assert torch.equal(_weights(_task(module).fresh_module()), first)
    other = _weights(_task(module, seed=2**32 - 1).fresh_module())
    assert (other != first).float().mean() > 0.9


def test_global_random_state_is_left_alone():
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    _task(_Drawing).fresh_module()
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_given_module_is_copied():
    module = StrangersNet()
    before = _weights(module).clone()
    fresh = _task(module).fresh_module()
    with torch.no_grad():
        fresh.body[0].weight.zero_()
    assert torch.equal(_weights(module), before)
    assert not torch.equal(_weights(fresh), before)


class _Deep(StrangersNet):
    """Layers whose weights are drawn in different ways, some by their parents."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2)
        self.norm = nn.BatchNorm1d(6)
        self.recurrent = nn.LSTM(6, 4)
        self.transformer = nn.Transformer(4, 2, 1, 1, 8, batch_first=True)


def test_drawn_anew_as_constructors_draw():
    module = _Deep()
    with torch.no_grad():
        for value in module.parameters():
            value.fill_(7.0)
    module.norm.running_mean.fill_(7.0)
    torch.manual_seed(5)
    fresh, constructed = _task(module).fresh_module(), _Deep()
    for (name, value), wanted in zip(
        fresh.named_parameters(), constructed.parameters(), strict=True
    ):
        constant = wanted.unique().numel() == 1
        if constant:
            assert torch.equal(value, wanted), name
        else:
            assert value.abs().max() < 3, name
            ratio = value.std() / wanted.std()
            assert 0.5 < ratio < 2 or value.numel() < 20, name
    assert fresh.norm.running_mean.abs().max() == 0


def test_weights_that_nothing_draws_are_named():
    class Positions(StrangersNet):
        def __init__(self):
            super().__init__()
            self.positions = nn.Parameter(torch.randn(3))

    with pytest.warns(UserWarning, match=r"Positions has parameters .*: positions\. They start"):
        _task(Positions()).fresh_module()


def test_a_module_that_was_trained_can_be_given(tmp_path):
    module, data = StrangersNet(), BlobsData()
    trainer = pl.Trainer(
        max_steps=2,
        accelerator="cpu",
        logger=False,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    fresh = Task(module, data).fresh_module()
    assert fresh._trainer is None
    assert module.trainer is trainer
    assert torch.equal(_weights(fresh), _weights(Task(StrangersNet(), data).fresh_module()))


class _LossMethod(StrangersNet):
    def __init__(self):
        super().__init__()
        del self.loss_fn

    def loss_fn(self, output, target):
        return nn.functional.cross_entropy(output, target)


def test_what_can_not_take_a_loss_is_refused():
    with pytest.raises(TypeError, match="LightningModule or to make one, got Linear"):
        _task(lambda: nn.Linear(2, 2)).fresh_module()
    with pytest.raises(TypeError, match="WithoutLoss to have an attribute `loss_fn`"):
        _task(WithoutLoss).fresh_module()
    with pytest.raises(TypeError, match="_LossMethod to set its attribute `loss_fn` in __init__"):
        _task(_LossMethod).fresh_module()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("steps", 0),
        ("steps", 1.5),
        ("steps", True),
        ("validations", -1),
        ("train_samples", 0),
        ("split", "train"),
        ("learning_rate_factor", 0.0),
        ("learning_rate_factor", float("nan")),
        ("learning_rate_factor", float("inf")),
    ],
)
def test_session_refuses(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
        Session(**{argument: value})


def test_signed_is_higher_for_the_better():
    assert Objective("a", "max").signed(0.25) == 0.25
    assert Objective("a", "min").signed(0.25) == -0.25
    for changes in ({"mode": "up"}, {"weight": 0.0}, {"weight": math.nan}, {"weight": math.inf}):
        with pytest.raises(ValueError, match=f"`{next(iter(changes))}`"):
            Objective(**changes)


@pytest.mark.parametrize("objectives", [(), (Objective(), Objective("val_accuracy", "min"))])
def test_objectives_are_at_least_one_each_once(objectives):
    with pytest.raises(ValueError, match="`objectives` to hold at least one, each once"):
        Session(objectives=objectives)


@pytest.mark.parametrize(
    ("steps", "weights", "message"),
    [
        ((), (), "rising numbers"),
        ((5, 5), (), "rising numbers"),
        ((0, 5), (), r"`steps\[0\]` to be an integer of at least 1"),
        ((5, 10), (1.0,), "2 positive numbers"),
        ((5, 10), (1.0, -1.0), "2 positive numbers"),
    ],
)
def test_horizons_refuse(steps, weights, message):
    with pytest.raises(ValueError, match=message):
        Horizons(steps, weights)


def test_horizons_lie_within_the_session_and_share_a_divisor():
    with pytest.raises(ValueError, match="within the 20 steps"):
        Session(steps=20, horizons=Horizons((10, 30)))
    with pytest.raises(ValueError, match="common divisor of at least 10"):
        Session(steps=1000, horizons=Horizons((7, 1000)))
    assert Session(steps=1200, horizons=Horizons((300, 1200))).validation_interval == 300
    assert Session(steps=100, validations=3).validation_interval == 34


def test_a_session_is_a_value():
    assert Session(steps=5) == Session(steps=5)
    assert copy.deepcopy(Session(steps=5)) == Session(steps=5)


def test_a_short_session_stands_for_a_long_training():
    session = Session(steps=50, as_if=500, learning_rate_factor=0.2)
    assert (session.real_steps, session.rate_factor) == (500, 2.0)
    assert replace(session, steps=500).rate_factor == 0.2
    assert (Session(steps=50).real_steps, Session(steps=50).rate_factor) == (50, 1.0)
    with pytest.raises(ValueError, match="`as_if`"):
        Session(as_if=0)
