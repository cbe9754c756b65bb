"""Jobs of several tasks at once: what each gives is what it gives alone."""

import shutil
from dataclasses import replace
from functools import partial

import pytest
import torch
from inner_fits import CANDIDATES, EXPLOSIVE, FAMILY, UNBUILDABLE, make_task
from torch import nn
from torch.optim import ASGD, SGD, Adam

from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import (
    AutoEvaluator,
    PopulationEvaluator,
    ProcessEvaluator,
    TrainerEvaluator,
)
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.evaluators.population import evaluator as population_module

FACTORS = (0.03, 1.0, 3.0)
NESTEROV = partial(SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)


def _at(task, factor):
    return replace(task, session=replace(task.session, learning_rate_factor=factor))


def _jobs(task):
    tasks = [_at(task, factor) for factor in FACTORS]
    return [Job(candidate, own) for own in tasks for candidate in CANDIDATES]


@pytest.fixture
def stacks(monkeypatch):
    """The widths of the stacks that are trained."""
    widths = []
    train = population_module.run_session

    def counted(module, task, loader=None):
        widths.append(module.size)
        return train(module, task, loader)

    monkeypatch.setattr(population_module, "run_session", counted)
    return widths


@pytest.mark.parametrize(
    "optimizer",
    [NESTEROV, partial(Adam, lr=0.01), partial(SGD, lr=0.1)],
    ids=["nesterov", "adam", "sgd"],
)
def test_learning_rates_train_in_one_stack_as_alone(optimizer, stacks):
    jobs = _jobs(make_task(optimizer=optimizer, steps=20))
    alone = dict(TrainerEvaluator().run(jobs, FAMILY))
    stacked = dict(PopulationEvaluator().run(jobs, FAMILY))
    assert stacks == [len(jobs)]
    assert list(range(len(jobs))) == sorted(stacked)
    for place, job in enumerate(jobs):
        assert stacked[place].candidate == job.candidate
        assert stacked[place].metrics == pytest.approx(alone[place].metrics, abs=1e-5)
        for step in (0, -1):
            found = stacked[place].curves["train_loss"][step]
            assert found == pytest.approx(alone[place].curves["train_loss"][step], abs=1e-5)
    losses = [alone[place].metrics["val_loss"] for place in range(0, len(jobs), len(CANDIDATES))]
    assert len({round(loss, 3) for loss in losses}) == len(FACTORS), "the rate must matter"


def test_a_schedule_and_batch_norm_follow_each_rate():
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    jobs = _jobs(make_task(network, optimizer=NESTEROV, steps=12))
    alone = dict(TrainerEvaluator().run(jobs, FAMILY))
    for place, found in PopulationEvaluator().run(jobs, FAMILY):
        assert found.metrics == pytest.approx(alone[place].metrics, abs=1e-5)


def test_steps_that_do_not_follow_the_rate_are_not_stacked(stacks):
    jobs = _jobs(make_task(optimizer=partial(ASGD, lr=0.05, lambd=0.1), steps=5))
    alone = dict(TrainerEvaluator().run(jobs, FAMILY))
    stacked = dict(PopulationEvaluator().run(jobs, FAMILY))
    assert stacks == [len(CANDIDATES)] * len(FACTORS)
    for place in stacked:
        assert stacked[place].metrics == pytest.approx(alone[place].metrics, abs=1e-5)


def _seeded_jobs(task):
    """Three losses, two learning rates and three seeds."""
    return [
        Job(candidate, replace(_at(task, factor), seed=seed))
        for seed in (1, 2, 3)
        for factor in (0.3, 1.0)
        for candidate in CANDIDATES
    ]


def _same_as_alone(jobs, evaluator):
    alone = dict(TrainerEvaluator().run(jobs, FAMILY))
    stacked = dict(evaluator.run(jobs, FAMILY))
    assert sorted(stacked) == list(range(len(jobs)))
    for place, found in stacked.items():
        assert found.candidate == jobs[place].candidate
        assert found.metrics == pytest.approx(alone[place].metrics, abs=1e-5)
        curve, expected = (
            [value for _, value in item.curves["train_loss"]] for item in (found, alone[place])
        )
        assert curve == pytest.approx(expected, abs=1e-5)
    return alone


@pytest.mark.parametrize(
    "train_samples", [None, 120], ids=["all train_samples", "120 train_samples"]
)
def test_seeds_train_in_one_stack_as_alone(stacks, train_samples):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
    data = DigitsDataModule(batch_size=40)
    # More steps than an epoch has, so that every seed goes on with an order of its own.
    task = make_task(network, data=data, optimizer=NESTEROV, steps=30, train_samples=train_samples)
    jobs = _seeded_jobs(task)
    alone = _same_as_alone(jobs, PopulationEvaluator())
    assert stacks == [len(jobs)]
    seeds = {round(alone[place].metrics["val_loss"], 6) for place in range(0, len(jobs), 6)}
    assert len(seeds) == 3, "the seed must matter"


def test_turns_of_a_long_stack_of_seeds(stacks):
    task = make_task(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data=DigitsDataModule())
    jobs = _seeded_jobs(task)
    _same_as_alone(jobs, PopulationEvaluator(max_candidates=7))
    assert stacks == [7, 7, 4]


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler, c++")
def test_compiled_seeds(stacks):
    task = make_task(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data=DigitsDataModule())
    evaluator = PopulationEvaluator(compile_mode="default")
    jobs = _seeded_jobs(task)
    _same_as_alone(jobs, evaluator)
    others = [Job(job.candidate, replace(job.task, seed=job.task.seed + 9)) for job in jobs]
    _same_as_alone(others, evaluator)
    assert stacks == [len(jobs)] * 2


class _Noisy(DigitsDataModule):
    """Changes its batches on the device."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, target = batch
        return inputs + 0.1 * torch.randn_like(inputs), target


@pytest.mark.parametrize("case", ["dropout", "batches that are changed", "another loader"])
def test_seeds_with_random_numbers_of_their_own_are_stacks_of_their_own(stacks, case):
    layers = [nn.Flatten(), nn.Linear(64, 16), nn.Dropout(0.3), nn.Linear(16, 10)]
    if case != "dropout":
        layers = [nn.Flatten(), nn.Linear(64, 10)]
    data = _Noisy() if case == "batches that are changed" else DigitsDataModule()
    task = make_task(nn.Sequential(*layers), data=data)
    if case == "another loader":
        task = make_task()
    jobs = [Job(candidate, replace(task, seed=seed)) for seed in (1, 2) for candidate in CANDIDATES]
    _same_as_alone(jobs, PopulationEvaluator())
    assert stacks == [len(CANDIDATES)] * 2


@pytest.mark.parametrize(
    "make",
    [TrainerEvaluator, PopulationEvaluator, partial(AutoEvaluator, [TrainerEvaluator()])],
    ids=["trainer", "population", "auto"],
)
def test_bad_candidates_cost_only_themselves(make):
    first, second = make_task(), make_task(seed=9)
    second = replace(second, name="second")
    jobs = [
        Job(EXPLOSIVE, first),
        Job(CANDIDATES[0], second),
        Job(UNBUILDABLE, second),
        Job(CANDIDATES[0], first),
    ]
    found = dict(make().run(jobs, FAMILY))
    assert [found[place].status for place in range(4)] == [
        Status.DIVERGED,
        Status.OK,
        Status.FAILED,
        Status.OK,
    ]
    (expected,) = make().evaluate([CANDIDATES[0]], FAMILY, [first])
    assert found[3].metrics == pytest.approx(expected.metrics, abs=1e-6)


def test_processes_do_the_jobs_of_all_tasks():
    tasks = [replace(make_task(), name="a"), replace(make_task(seed=8), name="b")]
    jobs = [Job(candidate, task) for task in tasks for candidate in CANDIDATES[:2]]
    evaluator = ProcessEvaluator(processes=2)
    try:
        found = dict(evaluator.run(jobs, FAMILY))
        alone = dict(TrainerEvaluator().run(jobs, FAMILY))
        assert {k: v.fitness for k, v in found.items()} == {k: v.fitness for k, v in alone.items()}
        left = evaluator.run(jobs, FAMILY)
        next(left)
        left.close()  # amid the jobs
        again = dict(evaluator.run(jobs[:1], FAMILY))
        assert again[0].fitness == alone[0].fitness
    finally:
        evaluator.close()


def test_what_is_unsupported_is_refused_before_training():
    task = make_task(gradient_clip_val=1.0)
    with pytest.raises(ValueError, match="clip by value"):
        next(PopulationEvaluator().run([Job(CANDIDATES[0], task)], FAMILY))


def test_no_jobs_no_results():
    assert list(TrainerEvaluator().run([], FAMILY)) == []
