"""What every allocation of the package keeps."""

import json
import random

import numpy as np
import pytest
import torch
from walking import concrete_subclasses, constructor_arguments, each_example

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.search.allocation import Allocation, FixedSeeds, Trial

#: More rounds than any generation is worth.
MAX_ROUNDS = 100
SIZES = [(1, 1), (2, 3), (7, 1), (25, 2)]
CANDIDATE = Candidate(None, (1.0,))


@pytest.fixture(params=each_example(Allocation))
def allocation(request):
    return request.param()


def _scored(trial):
    return Evaluation.scored(CANDIDATE, float(-trial.candidate + 0.1 * trial.seed))


def _diverged(trial):
    return Evaluation(CANDIDATE, status=Status.DIVERGED)


def _alike(trial):
    return Evaluation.scored(CANDIDATE, 0.5)


def _carry_out(plan, result):
    """All rounds of a plan, and whom it gave up."""
    rounds, results = [], {}
    try:
        trials = next(plan)
        for _ in range(MAX_ROUNDS):
            rounds.append([tuple(trial) for trial in trials])
            results.update({trial: result(trial) for trial in trials})
            trials = plan.send(dict(results))
    except StopIteration as end:
        return rounds, end.value
    pytest.fail(f"no end after {MAX_ROUNDS} rounds")


def test_the_walk_finds_what_there_is():
    assert FixedSeeds in concrete_subclasses(Allocation)


@pytest.mark.parametrize("result", [_scored, _diverged, _alike])
@pytest.mark.parametrize(("candidates", "tasks"), SIZES)
def test_every_candidate_is_trained_on_trials_that_there_are(allocation, candidates, tasks, result):
    rounds, given_up = _carry_out(allocation.plan(candidates, tasks), result)
    trials = [Trial(*trial) for trials in rounds for trial in trials]
    assert {trial.candidate for trial in trials} == set(range(candidates))
    assert {trial.task for trial in trials} <= set(range(tasks))
    assert all(type(number) is int and number >= 0 for trial in trials for number in trial)
    assert len(set(trials)) == len(trials), "what is known is not trained again"
    assert given_up < set(range(candidates)), "somebody is left"


@pytest.mark.parametrize(("candidates", "tasks"), SIZES)
def test_those_that_stay_are_compared_on_the_same_trainings(allocation, candidates, tasks):
    rounds, given_up = _carry_out(allocation.plan(candidates, tasks), _scored)
    trained = {
        candidate: {(task, seed) for trials in rounds for c, task, seed in trials if c == candidate}
        for candidate in set(range(candidates)) - given_up
    }
    assert len(set(map(frozenset, trained.values()))) == 1
    assert {task for task, _ in next(iter(trained.values()))} == set(range(tasks))


def test_a_plan_depends_on_the_results_alone(allocation):
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    first = _carry_out(allocation.plan(6, 2), _scored)
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    assert _carry_out(allocation.plan(6, 2), _scored) == first


def test_what_it_was_made_with_can_be_read_off(allocation):
    settings = fingerprint(allocation)
    assert set(constructor_arguments(type(allocation))) <= set(settings)
    json.dumps(settings, allow_nan=False)
