"""What every evaluator of the package keeps."""

import json
import random

import numpy as np
import pytest
import torch
from strangers import BlobsData
from torch import nn
from walking import concrete_subclasses, constructor_arguments

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import (
    Evaluator,
    PopulationEvaluator,
    ProcessEvaluator,
    RayEvaluator,
    TrainerEvaluator,
)
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task

EVALUATORS = concrete_subclasses(Evaluator)
FAMILY = TaylorFamily()
MSE = Candidate(None, (0.0, 0.0, 0.0, -1.0, 0.0, 2.0, 0.0, 0.0))
AWAY = Candidate(None, (0.0, 0.0, 0.0, 1.0, 0.0, -2.0, 0.0, 0.0))
EXPLOSIVE = Candidate(None, (0.0, 0.0, 0.0, 1e30, 1e38, 1e38, 1e38, 1e38))
TOO_SHORT = Candidate(None, (1.0,))


@pytest.fixture(scope="module", params=EVALUATORS, ids=lambda cls: cls.__name__)
def evaluator(request):
    if request.param is RayEvaluator:
        request.getfixturevalue("local_ray")  # started once, not after each `close`
    try:
        made = request.param.example()
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    yield made
    made.close()


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    module = SupervisedModule(nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.2), nn.Linear(8, 3)))
    session = Session(steps=8, validations=2, accelerator="cpu")
    return Task(module, BlobsData(), session, seed=5)


def _outcomes(found):
    return [(item.candidate, item.fitness, item.status) for item in found]


def _are_of(found, candidates, evaluator):
    """Whether these are evaluations of candidates, in order."""
    return [item.candidate for item in found] == candidates


def test_the_walk_finds_what_there_is():
    assert {TrainerEvaluator, PopulationEvaluator, ProcessEvaluator} <= set(EVALUATORS)


def test_one_evaluation_a_candidate_in_order(evaluator, task):
    candidates = [MSE, AWAY, MSE]
    found = evaluator.evaluate(candidates, FAMILY, [task])
    assert _are_of(found, candidates, evaluator)
    assert found[0].candidate == found[2].candidate
    assert found[0].status is Status.OK
    assert found[0].fitness == found[2].fitness == found[0].metrics["val_accuracy"]
    assert found[0].fitness > found[1].fitness
    assert found[0].seconds > 0
    assert len(found[0].curves["val_accuracy"]) == 2
    assert found[0].curves["val_accuracy"][-1] == (8, found[0].fitness)
    assert len(found[0].curves["train_loss"]) == 8


def test_bad_candidates_cost_only_themselves(evaluator, task):
    good = evaluator.evaluate([MSE, AWAY], FAMILY, [task])
    found = evaluator.evaluate([TOO_SHORT, MSE, EXPLOSIVE, AWAY], FAMILY, [task])
    assert found[0].status is Status.FAILED
    assert "8 entries" in found[0].message
    assert found[2].status is Status.DIVERGED
    assert not any(found[index].trained for index in (0, 2))
    for index, expected in ((1, good[0]), (3, good[1])):
        assert found[index].fitness == pytest.approx(expected.fitness, abs=0.02)


def test_place_does_not_matter(evaluator, task):
    forth = evaluator.evaluate([MSE, AWAY], FAMILY, [task])
    back = evaluator.evaluate([AWAY, MSE], FAMILY, [task])
    assert _outcomes(forth) == _outcomes(back)[::-1]


def test_the_same_again_whatever_the_global_random_state(evaluator, task):
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    first = evaluator.evaluate([MSE, AWAY], FAMILY, [task])
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    torch.manual_seed(2)
    assert _outcomes(evaluator.evaluate([MSE, AWAY], FAMILY, [task])) == _outcomes(first)


def test_fitness_is_the_mean_over_tasks(evaluator, task):
    other = Task(task.module, task.data, task.session, seed=9, name="other")
    alone = [evaluator.evaluate([MSE], FAMILY, [t])[0].fitness for t in (task, other)]
    (both,) = evaluator.evaluate([MSE], FAMILY, [task, other])
    assert both.fitness == pytest.approx(sum(alone) / 2, abs=0.02)
    assert {"task/val_accuracy", "other/val_accuracy"} <= set(both.metrics)


def test_nothing_to_do(evaluator, task):
    assert evaluator.evaluate([], FAMILY, [task]) == []
    with pytest.raises(ValueError, match="`tasks` to hold at least one task"):
        evaluator.evaluate([MSE], FAMILY, [])


def test_what_it_was_made_with_and_its_state_are_json(evaluator):
    json.dumps(evaluator.state_dict(), allow_nan=False)
    found = fingerprint(evaluator)
    missing = set(constructor_arguments(type(evaluator))) - set(found)
    assert all(hasattr(evaluator, name) for name in missing)


def test_can_be_used_again_once_closed(evaluator, task):
    first = evaluator.evaluate([MSE, AWAY], FAMILY, [task])
    evaluator.close()
    evaluator.close()
    assert _outcomes(evaluator.evaluate([MSE, AWAY], FAMILY, [task])) == _outcomes(first)
