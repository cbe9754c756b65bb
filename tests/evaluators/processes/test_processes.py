import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
from interrupts import hears_ctrl_c
from process_toys import (
    GOOD,
    MarkedLoaderData,
    ScriptedFamily,
    TinyData,
    TinyModule,
    gone,
    tiny_task,
    worker_pids,
)

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import ProcessEvaluator, TrainerEvaluator
from lightning_lossmeta.families.taylor import TaylorFamily
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task

SCRIPT = """
import torch
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import ProcessEvaluator
from process_toys import *

def evaluate(evaluator, *candidates):
    torch.randn(500, 500) @ torch.randn(500, 500)  # starts the threads of this process
    return evaluator.evaluate(candidates, ScriptedFamily(), [tiny_task()])

def pids():
    return sorted(worker_pids())

if __name__ == "__main__":
    evaluator = ProcessEvaluator(processes=2)
    evaluate(evaluator, GOOD, GOOD)
    print(*pids(), flush=True)
    try:
        evaluate(evaluator, Candidate("sleep", (600.0,)), Candidate("sleep", (600.0,)))
    except KeyboardInterrupt:
        print("left", *pids(), flush=True)
    assert evaluate(evaluator, GOOD, GOOD)[0].status is Status.OK
    print(*pids(), flush=True)
    evaluate(evaluator, Candidate("sleep", (600.0,)), GOOD)
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


def assert_same(found, expected):
    assert found.candidate == expected.candidate
    assert found.status is expected.status
    assert found.message == expected.message
    assert found.fitness == pytest.approx(expected.fitness, abs=1e-5)
    assert found.metrics.keys() == expected.metrics.keys()
    for name in found.metrics.keys() - {"pid", "a/pid", "b/pid"}:
        assert found.metrics[name] == pytest.approx(expected.metrics[name], abs=1e-5)
    for tag in found.curves.keys() - {"pid", "a/pid", "b/pid"}:
        steps, values = zip(*found.curves[tag], strict=True)
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
    found = evaluator.evaluate(candidates, family, tasks)
    assert {e.status for e in expected} >= {Status.OK, Status.FAILED}
    assert len({e.fitness for e in expected}) >= 4
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_seed_and_session_of_a_known_task_may_change(evaluator):
    task = tiny_task()
    for seed, steps in ((1, 3), (2, 3), (1, 5)):
        changed = Task(task.module, task.data, Session(steps=steps, accelerator="cpu"), seed)
        (expected,) = TrainerEvaluator().evaluate([GOOD], ScriptedFamily(), [changed])
        (found,) = evaluator.evaluate([GOOD], ScriptedFamily(), [changed])
        assert_same(found, expected)


def test_next_candidate_goes_to_the_first_free_worker(evaluator):
    task, family = tiny_task(), ScriptedFamily()
    evaluator.evaluate([GOOD, GOOD], family, [task])
    candidates = [Candidate("sleep", (1.0,)), *(Candidate("train", (x,)) for x in (1, 2, 3, 4))]
    found = evaluator.evaluate(candidates, family, [task])
    assert [e.candidate for e in found] == candidates
    slow, *fast = (e.metrics["pid"] for e in found)
    assert len(set(fast)) == 1
    assert slow not in fast
    assert os.getpid() not in (slow, *fast)


def test_what_a_loss_raises_costs_only_itself(evaluator, reference):
    candidates = [GOOD, Candidate("raise", (0,)), GOOD]
    before, failed, after = evaluator.evaluate(candidates, ScriptedFamily(), [tiny_task()])
    assert_same(before, reference)
    assert_same(after, reference)
    assert failed.status is Status.FAILED
    assert "no such loss" in failed.message


def test_loss_that_ends_its_worker_twice_is_failed(evaluator, reference):
    candidates = [GOOD, Candidate("exit", (0,)), GOOD, GOOD]
    found = evaluator.evaluate(candidates, ScriptedFamily(), [tiny_task()])
    failed = found.pop(1)
    assert failed.status is Status.FAILED
    assert "ended in training 2 times" in failed.message
    assert "exit code 3" in failed.message
    for evaluation in found:
        assert_same(evaluation, reference)


def test_candidate_is_done_again_when_its_worker_ended(evaluator, reference, tmp_path):
    marker = tmp_path / "once"
    candidates = [Candidate("exit once", (1.0,)), GOOD]
    found = evaluator.evaluate(candidates, ScriptedFamily(marker), [tiny_task()])
    assert marker.exists()
    assert [e.status for e in found] == [Status.OK, Status.OK]
    assert [e.fitness for e in found] == pytest.approx([reference.fitness] * 2, abs=1e-5)


def test_workers_killed_from_outside_are_replaced(evaluator, reference):
    task, family = tiny_task(), ScriptedFamily()
    evaluator.evaluate([GOOD, GOOD], family, [task])
    victim, other = worker_pids()
    candidates = [Candidate("sleep", (1.0,)), Candidate("sleep", (1.0,))]
    timer = threading.Timer(0.4, os.kill, (victim, signal.SIGKILL))
    timer.start()
    found = evaluator.evaluate(candidates, family, [task])
    timer.join()
    assert [e.status for e in found] == [Status.OK, Status.OK]
    assert [e.fitness for e in found] == pytest.approx([reference.fitness] * 2, abs=1e-5)
    os.kill(other, signal.SIGKILL)  # idle now
    assert_same(evaluator.evaluate([GOOD], family, [task])[0], reference)
    for _ in range(100):  # that a process has ended is told a little later
        if not worker_pids() & {victim, other}:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a killed worker is still counted")


def test_processes_of_a_data_loader_end_with_their_worker(tmp_path):
    evaluator = ProcessEvaluator(processes=1, timeout=2.0)
    task = tiny_task(data=MarkedLoaderData(tmp_path))
    good, late = evaluator.evaluate([GOOD, Candidate("sleep", (600.0,))], ScriptedFamily(), [task])
    evaluator.close()
    assert good.status is Status.OK
    assert late.status is Status.FAILED
    loaders = [int(path.name) for path in tmp_path.iterdir()]
    assert len(loaders) == 2
    assert all(gone(pid) for pid in loaders)


def test_timeout_fails_a_candidate_and_leaves_the_others(reference):
    evaluator = ProcessEvaluator(processes=1, timeout=2.0)
    candidates = [GOOD, Candidate("sleep", (600.0,)), GOOD]
    found = evaluator.evaluate(candidates, ScriptedFamily(), [tiny_task()])
    evaluator.close()
    assert found[1].status is Status.FAILED
    assert "longer than 2.0 seconds" in found[1].message
    assert found[1].seconds == pytest.approx(2.0, abs=1.0)
    assert_same(found[0], reference)
    assert_same(found[2], reference)


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
    evaluator = ProcessEvaluator(processes=2)
    evaluator.close()
    task = tiny_task()
    assert_same(evaluator.evaluate([GOOD, GOOD], ScriptedFamily(), [task])[1], reference)
    pids = worker_pids()
    for copied in (copy.deepcopy(evaluator), pickle.loads(pickle.dumps(evaluator))):
        assert copied.processes == 2
        copied.close()
        assert worker_pids() == pids
    evaluator.close()
    evaluator.close()
    assert not worker_pids() & pids
    assert all(gone(pid) for pid in pids)
    assert_same(evaluator.evaluate([GOOD], ScriptedFamily(), [task])[0], reference)
    pids = worker_pids()
    del evaluator
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize(("name", "value"), [("processes", 0), ("timeout", 0.0)])
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"Expected argument `{name}` .* got {value}"):
        ProcessEvaluator(**{name: value})


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signals of POSIX")
def test_workers_end_with_an_interrupted_and_with_a_killed_parent(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    paths = [str(Path(__file__).parents[2] / "helpers"), str(Path(__file__).parents[3])]
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        text=True,
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )
    try:
        first = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(first) == 2
        time.sleep(0.5)
        for pid in (*first, parent.pid):
            os.kill(pid, signal.SIGINT)
        assert parent.stdout.readline().split() == ["left"]
        assert all(gone(pid) for pid in first)
        second = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(second) == 2
        time.sleep(0.5)  # one is amid a candidate now, one is idle
        parent.kill()
        parent.wait()
        assert all(gone(pid) for pid in second)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
