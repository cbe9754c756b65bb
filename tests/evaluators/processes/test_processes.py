import copy
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from interrupts import hears_ctrl_c
from process_toys import (
    GOOD,
    HANGING,
    WAITING,
    KillingData,
    LoaderProcessData,
    ScriptedFamily,
    StuckLoaderData,
    TinyData,
    TinyModule,
    gone,
    kill_this_process,
    tiny_task,
    worker_pids,
)
from waiting import wait_for

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import ProcessEvaluator, TrainerEvaluator
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.families.taylor import TaylorFamily
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training import MachineError

SCRIPT = """
import sys
from pathlib import Path
import torch
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import ProcessEvaluator
from process_toys import *

def evaluate(evaluator, *candidates):
    torch.randn(500, 500) @ torch.randn(500, 500)  # starts the threads of this process
    return evaluator.evaluate(candidates, ScriptedFamily(Path(sys.argv[1])), [tiny_task()])

def pids():
    return sorted(worker_pids())

if __name__ == "__main__":
    evaluator = ProcessEvaluator(processes=2)
    evaluate(evaluator, GOOD, GOOD)
    print(*pids(), flush=True)
    try:
        evaluate(evaluator, HANGING, HANGING)
    except KeyboardInterrupt:
        print("left", *pids(), flush=True)
    assert evaluate(evaluator, GOOD, GOOD)[0].status is Status.OK
    print(*pids(), flush=True)
    evaluate(evaluator, HANGING, GOOD)
"""


@pytest.fixture(scope="module")
def evaluator():
    evaluator = ProcessEvaluator(processes=2)
    yield evaluator
    evaluator.close()


@pytest.fixture(scope="module")
def reference():
    (evaluation,) = TrainerEvaluator().evaluate([GOOD], ScriptedFamily(), [tiny_task()])
    assert evaluation.status is Status.OK
    return evaluation


def assert_same(evaluation, expected):
    assert evaluation.candidate == expected.candidate
    assert evaluation.status is expected.status
    assert evaluation.message == expected.message
    assert evaluation.fitness == pytest.approx(expected.fitness, abs=1e-5)
    assert evaluation.metrics.keys() == expected.metrics.keys()
    for name in evaluation.metrics.keys() - {"pid", "a/pid", "b/pid"}:
        assert evaluation.metrics[name] == pytest.approx(expected.metrics[name], abs=1e-5)
    for tag in evaluation.curves.keys() - {"pid", "a/pid", "b/pid"}:
        steps, values = zip(*evaluation.curves[tag], strict=True)
        expected_steps, expected_values = zip(*expected.curves[tag], strict=True)
        assert steps == expected_steps
        assert values == pytest.approx(expected_values, abs=1e-5, nan_ok=True)


def test_equals_the_trainer_evaluator(evaluator):
    mse = TaylorFamily(order=3, start="mse").space.start
    candidates = [Candidate(None, tuple(scale * x for x in mse)) for scale in (1, 5, 20, -3, 1e30)]
    candidates.append(Candidate(None, (1.0,)))  # of another order: can't be built
    tasks = [
        tiny_task(name="a", seed=1),
        tiny_task(name="b", seed=2, module=TinyModule, session=Session(steps=9, accelerator="cpu")),
        tiny_task(name="c", module=SupervisedModule(MLP(64, [16], 10)), data=DigitsDataModule()),
    ]
    family = TaylorFamily(order=3)
    expected = TrainerEvaluator().evaluate(candidates, family, tasks)
    evaluations = evaluator.evaluate(candidates, family, tasks)
    assert {e.status for e in expected} >= {Status.OK, Status.FAILED}
    assert len({e.fitness for e in expected}) >= 4
    for one, other in zip(evaluations, expected, strict=True):
        assert_same(one, other)


def test_seed_and_session_of_a_known_task_may_change(evaluator):
    task = tiny_task()
    for seed, steps in ((1, 3), (2, 3), (1, 5)):
        changed = Task(task.module, task.data, Session(steps=steps, accelerator="cpu"), seed)
        (expected,) = TrainerEvaluator().evaluate([GOOD], ScriptedFamily(), [changed])
        (evaluation,) = evaluator.evaluate([GOOD], ScriptedFamily(), [changed])
        assert_same(evaluation, expected)


def test_next_candidate_goes_to_the_first_free_worker(evaluator, tmp_path):
    task, family = tiny_task(), ScriptedFamily(tmp_path)
    evaluator.evaluate([GOOD, GOOD], family, [task])
    candidates = [WAITING, *(Candidate("train", (x,)) for x in (1, 2, 3)), Candidate("go", (0,))]
    evaluations = evaluator.evaluate(candidates, family, [task])
    assert [e.candidate for e in evaluations] == candidates
    slow, *fast = (e.metrics["pid"] for e in evaluations)
    assert len(set(fast)) == 1
    assert slow not in fast
    assert os.getpid() not in (slow, *fast)


def test_what_a_loss_raises_costs_only_itself(evaluator, reference):
    candidates = [GOOD, Candidate("fail", (0,)), GOOD]
    before, failed, after = evaluator.evaluate(candidates, ScriptedFamily(), [tiny_task()])
    assert_same(before, reference)
    assert_same(after, reference)
    assert failed.status is Status.FAILED
    assert "no such loss" in failed.message


@pytest.mark.parametrize(
    ("candidate", "code"),
    [(Candidate("exit", (0,)), 0), (Candidate("exit", (3,)), 3), (Candidate("kill", (0,)), -9)],
    ids=["exit code 0", "exit code 3", "killed"],
)
def test_loss_that_ends_its_worker_twice_is_failed(evaluator, reference, candidate, code):
    candidates = [GOOD, candidate, GOOD, GOOD]
    evaluations = evaluator.evaluate(candidates, ScriptedFamily(), [tiny_task()])
    failed = evaluations.pop(1)
    assert failed.status is Status.FAILED
    assert "ended in training 2 times" in failed.message
    assert f"exit code {code}" in failed.message
    for evaluation in evaluations:
        assert_same(evaluation, reference)


def test_candidate_is_done_again_when_its_worker_ended(evaluator, reference, tmp_path):
    candidates = [Candidate("exit_once", (1.0,)), GOOD]
    evaluations = evaluator.evaluate(candidates, ScriptedFamily(tmp_path), [tiny_task()])
    assert (tmp_path / "once").exists()
    assert [e.status for e in evaluations] == [Status.OK, Status.OK]
    fitness = [e.fitness for e in evaluations]
    assert fitness == pytest.approx([reference.fitness] * 2, abs=1e-5)


def test_candidate_whose_worker_ended_is_done_again_after_the_others(tmp_path):
    evaluator = ProcessEvaluator(processes=1)
    jobs = [Job(Candidate("exit_once", (1.0,)), tiny_task())]
    jobs += [Job(GOOD, jobs[0].task)] * 2
    places = [place for place, _ in evaluator.run(jobs, ScriptedFamily(tmp_path))]
    evaluator.close()
    assert places == [1, 2, 0]


def test_workers_killed_from_outside_are_replaced(evaluator, reference, tmp_path):
    task, family = tiny_task(), ScriptedFamily(tmp_path)
    evaluator.evaluate([GOOD, GOOD], family, [task])
    victim, other = worker_pids()

    def kill():
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        os.kill(victim, signal.SIGKILL)
        (tmp_path / "go").touch()

    with ThreadPoolExecutor() as pool:
        killing = pool.submit(kill)
        evaluations = evaluator.evaluate([WAITING, WAITING], family, [task])
        killing.result()
    assert [e.status for e in evaluations] == [Status.OK, Status.OK]
    fitness = [e.fitness for e in evaluations]
    assert fitness == pytest.approx([reference.fitness] * 2, abs=1e-5)
    os.kill(other, signal.SIGKILL)  # idle now
    assert_same(evaluator.evaluate([GOOD], family, [task])[0], reference)
    wait_for(lambda: not worker_pids() & {victim, other})


@pytest.mark.parametrize(
    ("end", "code", "times"),
    [(kill_this_process, -9, 6), (partial(os._exit, 5), 5, 2), (partial(os._exit, 0), 0, 2)],
    ids=["killed", "exit code 5", "exit code 0"],
)
def test_workers_that_end_before_their_first_candidate(reference, tmp_path, end, code, times):
    evaluator = ProcessEvaluator(processes=1)
    task = tiny_task(data=KillingData(tmp_path, times, end))
    (evaluation,) = evaluator.evaluate([GOOD], ScriptedFamily(), [task])
    assert_same(evaluation, reference)
    assert len(list(tmp_path.iterdir())) == times
    evaluator.close()
    task = tiny_task(data=KillingData(tmp_path, 10**6, end))
    with pytest.raises(MachineError, match=rf"in a row ended .* exit code {code};"):
        evaluator.evaluate([GOOD], ScriptedFamily(), [task])


def test_data_loaders_may_have_processes(evaluator, reference):
    task = tiny_task(data=LoaderProcessData())
    (expected,) = TrainerEvaluator().evaluate([GOOD], ScriptedFamily(), [task])
    assert_same(evaluator.evaluate([GOOD], ScriptedFamily(), [task])[0], expected)


def test_processes_of_a_data_loader_end_with_a_killed_worker(tmp_path):
    evaluator = ProcessEvaluator(processes=1)
    task = tiny_task(data=StuckLoaderData(tmp_path))

    def kill(count):
        wait_for(lambda: len(list(tmp_path.iterdir())) == count)
        newest = max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.kill(int(newest.name.split()[0]), signal.SIGKILL)

    with ThreadPoolExecutor() as pool:
        killing = pool.submit(lambda: [kill(count) for count in (1, 2)])
        (evaluation,) = evaluator.evaluate([GOOD], ScriptedFamily(), [task])
        killing.result()
    evaluator.close()
    assert "exit code -9" in evaluation.message
    pids = [int(pid) for path in tmp_path.iterdir() for pid in path.name.split()]
    assert len(set(pids)) == 4
    assert all(gone(pid) for pid in pids)


def test_processes_of_a_data_loader_end_when_a_run_is_given_up(tmp_path):
    evaluator = ProcessEvaluator(processes=2)
    # In this order: when the second is done, the first was begun, however slowly workers start.
    jobs = [Job(GOOD, tiny_task(data=StuckLoaderData(tmp_path))), Job(GOOD, tiny_task())]
    results = evaluator.run(jobs, ScriptedFamily())
    assert next(results)[0] == 1
    wait_for(lambda: list(tmp_path.iterdir()))
    results.close()
    (path,) = tmp_path.iterdir()
    assert all(gone(int(pid)) for pid in path.name.split())


def test_timeout_fails_a_candidate_and_leaves_the_others(reference, tmp_path):
    evaluator = ProcessEvaluator(processes=1)
    jobs = [Job(candidate, tiny_task()) for candidate in (GOOD, HANGING, GOOD)]
    evaluations = []
    for place, evaluation in evaluator.run(jobs, ScriptedFamily(tmp_path)):
        evaluations.append(evaluation)
        evaluator.timeout = 1.0 if place == 0 else None  # so that no good one can be too slow
    evaluator.close()
    assert evaluations[1].status is Status.FAILED
    assert "longer than 1.0 seconds" in evaluations[1].message
    assert evaluations[1].seconds >= 1.0
    assert_same(evaluations[0], reference)
    assert_same(evaluations[2], reference)


def test_a_second_run_amid_the_first_is_refused(evaluator, reference):
    results = evaluator.run([Job(GOOD, tiny_task())] * 3, ScriptedFamily())
    next(results)
    with pytest.raises(RuntimeError, match="one run at a time"):
        evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task()])
    for _, evaluation in results:
        assert_same(evaluation, reference)
    assert_same(evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task()])[0], reference)


def test_large_data(evaluator, reference):
    data = TinyData()
    data.ballast = torch.arange(2**24, dtype=torch.float32)
    assert_same(evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task(data=data)])[0], reference)


def test_data_that_was_used_in_this_process(evaluator, reference):
    data = TinyData()
    trainer = pl.Trainer(
        max_steps=1, accelerator="cpu", logger=False, barebones=True, enable_progress_bar=False
    )
    trainer.unpicklable = lambda: None
    trainer.fit(TinyModule(), datamodule=data)
    assert_same(evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task(data=data)])[0], reference)
    assert data.trainer is trainer


def test_data_is_prepared_once_and_set_up_in_the_workers(evaluator):
    task = tiny_task()
    for _ in range(3):
        evaluator.evaluate([GOOD], ScriptedFamily(), [task])
    assert task.data.prepared == 1
    assert not hasattr(task.data, "pairs")


def test_what_cannot_be_pickled_is_a_reason():
    class Local(TinyModule):
        pass

    evaluator, family = ProcessEvaluator(processes=1), ScriptedFamily()
    assert evaluator.unsupported(family, [tiny_task()]) is None
    reason = evaluator.unsupported(family, [tiny_task(), tiny_task(module=Local(), name="mine")])
    assert reason.startswith("mine: ")
    assert "Local" in reason
    assert "TrainerEvaluator" in reason
    for changes in ({"module": lambda: TinyModule()}, {"module": TinyModule(lambda a, b: a)}):
        assert "lambda" in evaluator.unsupported(family, [tiny_task(**changes)])
        with pytest.raises(ValueError, match="can't be sent"):
            evaluator.evaluate([GOOD], family, [tiny_task(**changes)])
    assert "lambda" in evaluator.unsupported(ScriptedFamily(lambda: None), [tiny_task()])


def test_unusable_module_raises(evaluator):
    with pytest.raises(RuntimeError, match="have an attribute `loss_fn`"):
        evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task(module=pl.LightningModule)])


def test_close_leaves_no_process_and_copies_have_none(reference):
    others = worker_pids()
    evaluator = ProcessEvaluator(processes=2)
    evaluator.close()
    task = tiny_task()
    assert_same(evaluator.evaluate([GOOD, GOOD], ScriptedFamily(), [task])[1], reference)
    pids = worker_pids() - others
    for copied in (copy.deepcopy(evaluator), pickle.loads(pickle.dumps(evaluator))):
        assert copied.processes == 2
        copied.close()
        assert worker_pids() - others == pids
    evaluator.close()
    evaluator.close()
    assert not worker_pids() & pids
    assert all(gone(pid) for pid in pids)
    assert_same(evaluator.evaluate([GOOD], ScriptedFamily(), [task])[0], reference)
    pids = worker_pids() - others
    del evaluator
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize(("name", "value"), [("processes", 0), ("timeout", 0.0)])
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"Expected argument `{name}` .* got {value}"):
        ProcessEvaluator(**{name: value})


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signals of POSIX")
def test_workers_end_with_an_interrupted_and_with_a_killed_parent(tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "told"
    script.write_text(SCRIPT)
    folder.mkdir()
    paths = [str(Path(__file__).parents[2] / "helpers"), str(Path(__file__).parents[3])]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )
    try:
        first = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(first) == 2
        wait_for(lambda: all((folder / str(pid)).exists() for pid in first))
        for pid in (*first, parent.pid):
            os.kill(pid, signal.SIGINT)
        assert parent.stdout.readline().split() == ["left"]
        assert all(gone(pid) for pid in first)
        second = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(second) == 2
        # One is amid a candidate then, the other is idle, or soon will be.
        wait_for(lambda: any((folder / str(pid)).exists() for pid in second))
        parent.kill()
        parent.wait()
        assert all(gone(pid) for pid in second)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
