"""What every fitness of the package keeps: one network and a stack have the same figures."""

import math

import pytest
from inner_fits import CANDIDATES, FAMILY
from walking import concrete_subclasses, each_example

from lightning_lossmeta.callbacks.fitness import ComparisonScores, FGSMFitness, Fitness
from lightning_lossmeta.data import DigitsDataModule, SymmetricNoise
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task

#: A class more or less of the 359 digits that score a fit: sums of other order round otherwise.
ROUNDING = 2 / 359


@pytest.fixture(params=each_example(Fitness))
def fitness(request):
    return request.param()


@pytest.fixture
def task(fitness):
    data = DigitsDataModule(noise=SymmetricNoise(0.3), train_size=400)
    session = Session(steps=20, validations=2, accelerator="cpu")
    return fitness.configure_task(Task(SupervisedModule(MLP(64, [8], 10)), data, session, seed=3))


def test_the_walk_finds_what_there_is():
    assert {ComparisonScores, FGSMFitness} <= set(concrete_subclasses(Fitness))


def test_one_network_equals_a_stack(fitness, task):
    alone = TrainerEvaluator().evaluate(CANDIDATES, FAMILY, [task])
    stacked = PopulationEvaluator().evaluate(CANDIDATES, FAMILY, [task])
    own = set(alone[0].metrics) - {"val_loss", "val_accuracy"}
    assert own or type(fitness) is Fitness, "it logs something"
    for one, other in zip(alone, stacked, strict=True):
        assert one.trained
        assert one.metrics.keys() == other.metrics.keys() >= own
        assert one.metrics == pytest.approx(other.metrics, rel=1e-3, abs=ROUNDING)
        assert one.objectives == pytest.approx(other.objectives, rel=1e-3, abs=ROUNDING)
    assert len({tuple(item.metrics[name] for name in own) for item in alone}) > 1 or not own


def test_what_a_search_is_scored_by_is_logged(fitness, task):
    monitored = {objective.monitor for objective in fitness.objectives}
    assert monitored <= {objective.monitor for objective in task.session.objectives}
    (item,) = TrainerEvaluator().evaluate(CANDIDATES[:1], FAMILY, [task])
    assert monitored <= set(item.metrics)
    for name in item.metrics:
        assert len(item.curves[name]) == 2, "at each validation"
    assert all(math.isfinite(value) for value in item.metrics.values())


def test_a_training_is_the_same_with_it_and_without(fitness, task):
    plain = Task(task.module, task.data, Session(20, validations=2, accelerator="cpu"), seed=3)
    (scored,) = TrainerEvaluator().evaluate(CANDIDATES[:1], FAMILY, [task])
    (bare,) = TrainerEvaluator().evaluate(CANDIDATES[:1], FAMILY, [plain])
    assert {name: scored.metrics[name] for name in bare.metrics} == bare.metrics
