"""What every refiner of the package keeps."""

import json
import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from engines import refine
from inner_fits import CANDIDATES, EXPLOSIVE, FAMILY, MSE, UNBUILDABLE, make_task
from torch import nn
from walking import concrete_subclasses, constructor_arguments, each_example

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.local_search import GradientRefiner, Refiner, RefinerJob

BAD = [UNBUILDABLE, EXPLOSIVE]


@pytest.fixture(params=each_example(Refiner))
def refiner(request):
    return request.param()


@pytest.fixture
def task():
    network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))
    return make_task(network)


def _outcomes(refined):
    return [(item.candidate, item.status, item.message) for item in refined]


def test_the_walk_finds_what_there_is():
    assert GradientRefiner in concrete_subclasses(Refiner)


def test_each_job_comes_back_once_of_the_same_structure_and_length(refiner, task):
    jobs = [RefinerJob(candidate, (task,)) for candidate in CANDIDATES]
    outcomes = dict(pairs := list(refiner.refine(jobs, FAMILY)))
    assert sorted(place for place, _ in pairs) == list(range(len(jobs)))
    for place, candidate in enumerate(CANDIDATES):
        assert outcomes[place].status is Status.PENDING
        assert outcomes[place].candidate != candidate, "it was moved"
        assert outcomes[place].candidate.structure == candidate.structure
        assert len(outcomes[place].candidate.theta) == len(candidate.theta)
        FAMILY.build(outcomes[place].candidate)


def test_a_bad_candidate_never_raises_and_costs_only_itself(refiner, task):
    (good,) = refine(refiner, [MSE], FAMILY, [task])
    refined = refine(refiner, [BAD[0], MSE, BAD[1], MSE], FAMILY, [task])
    assert _outcomes(refined[1::2]) == _outcomes([good, good])
    for item, candidate in zip(refined[::2], BAD, strict=True):
        assert item.candidate == candidate
        assert item.status in (Status.FAILED, Status.DIVERGED, Status.REJECTED)
        assert item.message


def test_nothing_to_do(refiner):
    assert list(refiner.refine([], FAMILY)) == []


def test_place_does_not_matter_nor_does_the_company(refiner, task):
    forth = refine(refiner, CANDIDATES, FAMILY, [task])
    back = refine(refiner, CANDIDATES[::-1], FAMILY, [task])
    assert _outcomes(forth) == _outcomes(back)[::-1]
    assert _outcomes(refine(refiner, CANDIDATES[:1], FAMILY, [task])) == _outcomes(forth[:1])


def test_jobs_on_tasks_of_their_own_do_not_mix(refiner, task):
    other = replace(task, seed=9)
    jobs = [RefinerJob(MSE, (task,)), RefinerJob(MSE, (other,)), RefinerJob(MSE, (task, other))]
    together = dict(refiner.refine(jobs, FAMILY))
    for place, job in enumerate(jobs):
        (alone,) = refine(refiner, [job.candidate], FAMILY, job.tasks)
        assert _outcomes([together[place]]) == _outcomes([alone])


def test_the_same_again_whatever_the_global_random_state(refiner, task):
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    first = refine(refiner, CANDIDATES, FAMILY, [task])
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    torch.manual_seed(2)
    assert _outcomes(refine(refiner, CANDIDATES, FAMILY, [task])) == _outcomes(first)


def test_tasks_stay_as_they_are(refiner, task):
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    refine(refiner, CANDIDATES, FAMILY, [task])
    after = task.module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in task.module.parameters())


def test_settings_are_json_and_it_can_be_sent(refiner):
    settings = fingerprint(refiner)
    assert set(constructor_arguments(type(refiner))) <= set(settings)
    json.dumps(settings, allow_nan=False)
    assert fingerprint(pickle.loads(pickle.dumps(refiner))) == settings
