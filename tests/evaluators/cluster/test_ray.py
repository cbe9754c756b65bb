"""Ray: who does the work, what it costs, and what becomes of workers that end."""

import importlib.util
import os
from dataclasses import replace

import pytest
from cluster_toys import CountedData, SigningRefiner, UnreadableData
from inner_fits import CANDIDATES, EXPLOSIVE, FAMILY, make_task
from process_toys import GOOD, HANGING, ScriptedFamily, TinyModule, gone, tiny_task
from waiting import wait_for

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import ComparisonConfig, compare_losses
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import (
    PopulationEvaluator,
    ProcessEvaluator,
    RayEvaluator,
    TrainerEvaluator,
)
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.local_search import GradientRefiner, RefinerJob, refine_with
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.training import MachineError

pytestmark = pytest.mark.usefixtures("local_ray")
ENDING = Candidate("exit", (3.0,))
ONCE = Candidate("exit_once", (0.0,))


@pytest.fixture
def make():
    made = []

    def make_evaluator(**arguments):
        made.append(RayEvaluator(**arguments))
        return made[-1]

    yield make_evaluator
    for evaluator in made:
        evaluator.close()


def _bits(found):
    """All of some evaluations but times, as text, in which NaN is equal to NaN."""
    return [repr(replace(item, seconds=0.0)) for item in found]


@pytest.fixture
def evaluations():
    return TrainerEvaluator().evaluate([*CANDIDATES, EXPLOSIVE], FAMILY, [make_task()])


@pytest.mark.parametrize("workers", [1, 2, None])
def test_any_number_of_workers_gives_the_bits_of_this_process(make, evaluations, workers):
    found = make(workers=workers).evaluate([*CANDIDATES, EXPLOSIVE], FAMILY, [make_task()])
    assert _bits(found) == _bits(evaluations)
    assert sum(item.trained for item in found) == len(CANDIDATES)


def test_stacks_are_those_of_the_population_evaluator(make):
    tasks = [make_task(), replace(make_task(), seed=9, name="other")]
    stacked = PopulationEvaluator(max_candidates=2).evaluate(CANDIDATES, FAMILY, tasks)
    found = make(workers=2, stack=2).evaluate(CANDIDATES, FAMILY, tasks)
    assert _bits(found) == _bits(stacked)


def test_what_cannot_be_stacked_is_trained_one_by_one(make):
    family, task = ScriptedFamily(), tiny_task()
    alone = TrainerEvaluator().evaluate([GOOD], family, [task])
    found = make(stack=4).evaluate([GOOD, GOOD], family, [task])
    assert [item.fitness for item in found] == [alone[0].fitness] * 2
    assert {item.metrics["pid"] for item in found}.isdisjoint({os.getpid()})


def test_data_travel_once_a_worker(make, tmp_path):
    task, evaluator = tiny_task(data=CountedData(tmp_path)), make(workers=2)
    found = [
        item for _ in range(3) for item in evaluator.evaluate([GOOD] * 4, ScriptedFamily(), [task])
    ]
    processes = [path.name.split()[0] for path in tmp_path.iterdir()]
    assert len(processes) == len(set(processes)) <= 2, "each has unpickled them once"
    assert {item.metrics["pid"] for item in found} == set(map(float, processes))


def test_a_worker_that_ends_costs_time_alone(make, tmp_path):
    family, task = ScriptedFamily(tmp_path), tiny_task()
    found = make(workers=2).evaluate([GOOD, ONCE, GOOD], family, [task])
    assert [item.status for item in found] == [Status.OK] * 3
    assert found[0].fitness == found[2].fitness


def test_a_candidate_that_ends_each_worker_is_failed_and_no_other_of_its_stack(make, tmp_path):
    module = SupervisedModule(TinyModule().net)
    task = tiny_task(module=module)
    evaluator = make(workers=2, retries=0, stack=3)
    found = evaluator.evaluate([GOOD, ENDING, GOOD], ScriptedFamily(tmp_path), [task])
    assert [item.status for item in found] == [Status.OK, Status.FAILED, Status.OK]
    assert "worker ended in each try" in found[1].message


def test_what_nobody_waits_for_is_ended(make, tmp_path):
    family, task, evaluator = ScriptedFamily(tmp_path), tiny_task(), make(workers=2)
    running = evaluator.run([Job(GOOD, task), Job(HANGING, task)], family)
    assert next(running)[0] == 0
    (file,) = wait_for(lambda: list(tmp_path.iterdir()))
    running.close()
    gone(int(file.name))
    assert evaluator.evaluate([GOOD], family, [task])[0].status is Status.OK


def test_data_that_are_gone_stop_the_work(make):
    evaluator = make(workers=1)
    with pytest.raises(MachineError, match=r"Input/output error: 'images\.zip'"):
        evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task(data=UnreadableData())])


def test_what_no_node_has_is_said(make):
    with pytest.raises(MachineError, match="Expected a node with 64 CPUs and 0 GPUs"):
        make(cpus=64).evaluate([GOOD], ScriptedFamily(), [tiny_task()])
    on_gpu = tiny_task(session=replace(tiny_task().session, accelerator="gpu"))
    assert "set `gpus`" in make().unsupported(ScriptedFamily(), [on_gpu])


def test_a_module_with_a_lambda_can_be_sent(make):
    task = make_task()
    module = task.module
    task = replace(task, module=lambda: module)
    assert ProcessEvaluator(1).unsupported(FAMILY, [task])
    found = make(workers=1).evaluate(CANDIDATES[:1], FAMILY, [task])
    assert _bits(found) == _bits(TrainerEvaluator().evaluate(CANDIDATES[:1], FAMILY, [task]))


@pytest.mark.parametrize("stack", [1, 2])
def test_local_searches_are_those_of_this_process(make, stack):
    task, refiner, told = make_task(), GradientRefiner(meta_steps=3, meta_lr=0.01), []
    jobs = [RefinerJob(candidate, (task,)) for candidate in [*CANDIDATES, Candidate(None, (1.0,))]]
    evaluator = make(workers=2, stack=stack)
    found = dict(refine_with(refiner, evaluator, jobs, FAMILY, lambda *what: told.append(what)))
    parts = [jobs[start : start + stack] for start in range(0, len(jobs), stack)]
    here = [item for part in parts for _, item in sorted(refiner.refine(part, FAMILY), key=_place)]
    assert _bits([found[place] for place in range(len(jobs))]) == _bits(here)
    assert told[-1] == ("local search", len(jobs), len(jobs))


def _place(pair):
    return pair[0]


def test_local_searches_are_done_by_workers(make):
    jobs = [RefinerJob(Candidate(None, (float(n),)), (tiny_task(),)) for n in range(3)]
    found = dict(refine_with(SigningRefiner(), make(workers=2), jobs, FAMILY))
    assert [found[place].candidate.theta for place in range(3)] == [(1.0,), (2.0,), (3.0,)]
    assert all(found[place].curves["pid"][0][1] != os.getpid() for place in range(3))
    own = dict(refine_with(SigningRefiner(), TrainerEvaluator(), jobs, FAMILY))
    assert all(own[place].curves["pid"][0][1] == os.getpid() for place in range(3))


def test_cells_of_a_comparison_run_there(make):
    losses = {"CE": CrossEntropy(), "MSE": MeanSquaredError()}
    settings = ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(0.3, 1.0))
    rows, own = (
        compare_losses(losses, make_task(), evaluator, settings)
        for evaluator in (make(workers=2), TrainerEvaluator())
    )
    assert [row.scores for row in rows] == [row.scores for row in own]
    assert [row.tuning for row in rows] == [row.tuning for row in own]


def test_where_and_by_how_many_is_no_setting_of_a_search():
    one = RayEvaluator(address="auto", workers=3, retries=7, gpus=0.5)
    assert fingerprint(one) == fingerprint(RayEvaluator())
    assert fingerprint(RayEvaluator(stack=2)) != fingerprint(RayEvaluator())


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lightning-lossmeta\[ray\]'"):
        RayEvaluator()


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"stack": 0}, {"retries": -1}, {"cpus": 0}])
def test_refuses_what_makes_no_sense(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        RayEvaluator(**wrong)
