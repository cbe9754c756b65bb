"""Networks that a stack would compute otherwise are refused; losses that have parameters."""

import pytest
import torch
from inner_fits import FAMILY, MSE, make_task
from torch import nn

from lightning_lossmeta import (
    CrossEntropy,
    LossFunction,
    PopulationEvaluator,
    Status,
    TrainerEvaluator,
)
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import NamedLosses
from lightning_lossmeta.evaluators.population.trial import trial_obstacle


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("steps", torch.tensor(0))

    def hidden(self, x):
        return self.first(x).relu()


class Assigned(Base):
    def forward(self, x):
        hidden = self.hidden(x)
        self.mean = 0.9 * self.mean + 0.1 * hidden.detach().mean(0)
        return self.last(hidden - self.mean)


class Counted(Base):
    def forward(self, x):
        self.steps = self.steps + 1
        return self.last(self.hidden(x))


class InPlace(Base):
    def forward(self, x):
        hidden = self.hidden(x)
        self.mean.mul_(0.9).add_(0.1 * hidden.detach().mean(0))
        return self.last(hidden - self.mean)


class NoisyHidden(Base):
    def forward(self, x):
        hidden = self.hidden(x)
        return self.last(hidden + 0.5 * torch.randn_like(hidden))


class NumberOfAll(Base):
    """Asks for a number, which vmap can't give."""

    def forward(self, x):
        hidden = self.hidden(x)
        return self.last(hidden * (2.0 if hidden.mean().item() > 0 else 1.0))


class Scaled(Base):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("offset", torch.tensor(0.25))

    def forward(self, x):
        return self.last(self.hidden(x)) * self.scale + self.offset


class Broken(Base):
    def forward(self, x):
        raise ArithmeticError("the user's own")


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Assigned, "buffer `mean` changes in training, but not in a stack"),
        (Counted, "buffer `steps` changes in training"),
        (NumberOfAll, "can't be run by torch.vmap"),
    ],
)
def test_what_a_stack_would_compute_otherwise_is_refused(network, reason):
    task = make_task(network())
    assert reason in trial_obstacle(task)
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        PopulationEvaluator().evaluate([MSE], FAMILY, [task])
    assert TrainerEvaluator().evaluate([MSE], FAMILY, [task])[0].status is Status.OK


def test_noise_in_the_shape_of_a_hidden_layer_is_equal_or_refused():
    task = make_task(NoisyHidden())
    if trial_obstacle(task) is None:
        alone, stacked = (
            evaluator.evaluate([MSE], FAMILY, [task])[0].metrics["val_loss"]
            for evaluator in (TrainerEvaluator(), PopulationEvaluator())
        )
        assert alone == pytest.approx(stacked, abs=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        InPlace(),
        Scaled(),
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)),
    ],
    ids=["in place", "scalars", "usual layers"],
)
def test_others_pass_and_equal_single_fits(network):
    task = make_task(network)
    assert trial_obstacle(task) is None
    candidates = [MSE, Candidate(None, tuple(2 * value for value in MSE.theta))]
    alone = TrainerEvaluator().evaluate(candidates, FAMILY, [task])
    stacked = PopulationEvaluator().evaluate(candidates, FAMILY, [task])
    for one, other in zip(alone, stacked, strict=True):
        assert one.status is other.status is Status.OK
        assert one.metrics["val_loss"] == pytest.approx(other.metrics["val_loss"], abs=1e-5)


def test_a_network_that_fails_by_itself_is_left_to_the_fits():
    task = make_task(Broken())
    assert trial_obstacle(task) is None
    (outcome,) = PopulationEvaluator().evaluate([MSE], FAMILY, [task])
    assert "the user's own" in outcome.message


def test_a_task_is_tried_once(monkeypatch):
    from lightning_lossmeta.evaluators.population import evaluator as population_file

    tried = []
    monkeypatch.setattr(population_file, "trial_obstacle", lambda task: tried.append(task))
    evaluator, task = PopulationEvaluator(), make_task()
    for _ in range(3):
        evaluator.evaluate([MSE], FAMILY, [task])
    assert len(tried) == 1
    evaluator.close()
    evaluator.evaluate([MSE], FAMILY, [task])
    assert len(tried) == 2


class Tempered(LossFunction):
    """Cross-entropy with a temperature that is trained with the network."""

    def __init__(self):
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(3.0))

    def per_sample(self, output, target):
        return nn.functional.cross_entropy(output / self.temperature, target, reduction="none")


def test_parameters_of_a_loss_are_trained_by_every_evaluator():
    frozen = Tempered()
    frozen.temperature.requires_grad_(False)
    family = NamedLosses({"CE": CrossEntropy(), "tempered": Tempered(), "frozen": frozen})
    candidates, task = family.candidates(), make_task(steps=6)
    alone = TrainerEvaluator().evaluate(candidates, family, [task])
    stacked = PopulationEvaluator().evaluate(candidates, family, [task])
    for one, other in zip(alone, stacked, strict=True):
        assert one.metrics["val_loss"] == pytest.approx(other.metrics["val_loss"], abs=1e-4)
    assert alone[1].metrics["val_loss"] != pytest.approx(alone[2].metrics["val_loss"], rel=1e-3)
