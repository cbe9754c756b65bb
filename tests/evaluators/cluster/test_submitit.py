"""SLURM by way of submitit: jobs that end, are preempted or out of time; local ones here."""

import importlib.util
import os
import signal
import time
from dataclasses import replace

import pytest
from inner_fits import CANDIDATES, EXPLOSIVE, FAMILY, make_task
from process_toys import GOOD, ScriptedFamily, tiny_task

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import PopulationEvaluator, SubmititEvaluator, TrainerEvaluator
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.evaluators.cluster import chunks, submitit_evaluator
from lightning_lossmeta.evaluators.cluster.calls import Call
from lightning_lossmeta.evaluators.cluster.chunks import Chunk
from lightning_lossmeta.evaluators.pool import Lost
from lightning_lossmeta.local_search import GradientRefiner, RefinerJob, refine_with
from lightning_lossmeta.training import MachineError

submitit = pytest.importorskip("submitit", reason="not installed: pip install submitit")
WAITING = Candidate("wait", (0.0,))


@pytest.fixture
def make(tmp_path):
    made = []

    def make_evaluator(executor="debug", **arguments):
        made.append(SubmititEvaluator(str(tmp_path / "shared"), executor, **arguments))
        return made[-1]

    yield make_evaluator
    for evaluator in made:
        evaluator.close()
        assert list((tmp_path / "shared").iterdir()) == [], "it leaves nothing"


def _bits(found):
    return [repr(replace(item, seconds=0.0)) for item in found]


@pytest.mark.parametrize("chunk", [1, 3, 8])
def test_any_chunk_gives_the_bits_of_this_process(make, chunk):
    candidates = [*CANDIDATES, EXPLOSIVE]
    evaluator = make(chunk=chunk)
    expected = TrainerEvaluator().evaluate(candidates, FAMILY, [make_task()])
    assert _bits(evaluator.evaluate(candidates, FAMILY, [make_task()])) == _bits(expected)


def test_stacks_and_local_searches(make):
    task, evaluator = make_task(), make(chunk=2, stack=2)
    stacked = PopulationEvaluator(max_candidates=2).evaluate(CANDIDATES, FAMILY, [task])
    assert _bits(evaluator.evaluate(CANDIDATES, FAMILY, [task])) == _bits(stacked)
    jobs = [RefinerJob(candidate, (task,)) for candidate in CANDIDATES[:2]]
    refiner = GradientRefiner(meta_steps=2, meta_lr=0.01)
    found, here = dict(refine_with(refiner, evaluator, jobs, FAMILY)), refiner.refine(jobs, FAMILY)
    assert _bits(found.values()) == _bits(dict(here).values())


def test_its_files_are_the_users_alone(make, tmp_path):
    evaluator = make()
    evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task()])
    (folder,) = (tmp_path / "shared").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_job_of_this_machine(make):
    family, task = ScriptedFamily(), tiny_task()
    (found,) = make("local").evaluate([GOOD], family, [task])
    (expected,) = TrainerEvaluator().evaluate([GOOD], family, [task])
    assert found.fitness == expected.fitness
    assert found.metrics["pid"] != os.getpid()


@pytest.mark.attack
def test_a_job_that_was_preempted_and_one_that_was_killed(make, tmp_path, monkeypatch):
    """The first goes on in the same job, the second in another; nothing is trained twice."""
    folder = tmp_path / "marks"
    folder.mkdir()
    family, task = ScriptedFamily(folder), tiny_task()
    evaluator = make("local", chunk=2, minutes=10)
    interfering = _Interfering(folder)
    monkeypatch.setattr(submitit_evaluator.time, "sleep", interfering.sleep)
    jobs = [Job(candidate, task) for candidate in (GOOD, WAITING, WAITING)]
    found = dict(evaluator.run(jobs, family))
    assert interfering.done == ["preempted", "killed"]
    assert [found[place].status for place in range(3)] == [Status.OK] * 3
    assert found[1].fitness == found[2].fitness


class _Interfering:
    """Between two looks at the jobs: preempts the first that waits, kills the second, lets go."""

    def __init__(self, folder):
        self.folder, self.done, self._sleep = folder, [], time.sleep

    def sleep(self, seconds):
        self._sleep(seconds)
        pids = {int(file.name) for file in self.folder.iterdir() if file.name.isdigit()}
        if not self.done and pids:
            self.first = min(pids)
            os.kill(self.first, signal.SIGUSR2)
            self.done.append("preempted")
        elif len(self.done) == 1 and len(pids) >= 2:
            (pid, *_) = pids - {self.first}
            os.kill(pid, signal.SIGKILL)
            self.done.append("killed")
            (self.folder / "go").touch()


def _call(value):
    return value


class _Calls:
    """Calls of a chunk that are done here; one is stopped as submitit stops it."""

    def __init__(self, monkeypatch, chunk, stopped, seconds):
        self.seen, self.chunk, self.stopped = [], chunk, stopped
        clock = iter(range(0, 10**6, seconds))
        monkeypatch.setattr(chunks.time, "monotonic", lambda: float(next(clock)))
        monkeypatch.setattr(chunks, "perform", self.perform)

    def perform(self, call, fetch):
        self.seen.append(call.pickled)
        if call.pickled in self.stopped:
            submission = self.chunk.checkpoint()
            assert submission.function is self.chunk
            raise SystemExit
        return call.pickled


def _chunk(tmp_path):
    calls = [Call(name, {}, "", 1, ()) for name in (b"one", b"two", b"three")]
    return Chunk(calls, [tmp_path / f"{number}.pkl" for number in range(3)], 100.0)


def test_a_requeued_chunk_goes_on_where_it_was(tmp_path, monkeypatch):
    chunk = _chunk(tmp_path)
    calls = _Calls(monkeypatch, chunk, {b"two"}, seconds=1)
    with pytest.raises(SystemExit):
        chunk()
    calls.stopped = set()
    assert chunk() == [b"one", b"two", b"three"]
    assert calls.seen == [b"one", b"two", b"two", b"three"]


def test_a_call_that_a_job_has_no_time_for_is_given_up(tmp_path, monkeypatch):
    chunk = _chunk(tmp_path)
    calls = _Calls(monkeypatch, chunk, {b"two"}, seconds=60)
    for _ in range(chunks.MAX_TOO_LONG):
        with pytest.raises(SystemExit):
            chunk()
    one, two, three = chunk()
    assert (one, three) == (b"one", b"three")
    assert isinstance(two, Lost)
    assert "raise `minutes`" in two.message
    assert calls.seen.count(b"two") == chunks.MAX_TOO_LONG


def test_calls_that_are_often_preempted_are_not_given_up(tmp_path, monkeypatch):
    chunk = _chunk(tmp_path)
    calls = _Calls(monkeypatch, chunk, {b"two"}, seconds=10)
    for _ in range(20):
        with pytest.raises(SystemExit):
            chunk()
    calls.stopped = set()
    assert chunk() == [b"one", b"two", b"three"]


class _Ended:
    """A job that has ended without an outcome."""

    def done(self):
        return True

    def result(self):
        raise submitit.core.utils.UncompletedJobError("killed")


def test_a_call_that_ends_each_job_is_lost_and_no_other(make, monkeypatch):
    """A job's end is laid at the door of the call that it was doing."""
    evaluator, rounds = make(chunk=4, retries=2), []

    def submit(parts):
        rounds.append([[call.pickled for call in part.calls] for part in parts])
        for part in parts:
            for call, file in zip(part.calls, part.files, strict=True):
                if call.pickled == b"1":
                    break
                chunks.write(file, call.pickled)
        return [_Ended() for _ in parts]

    monkeypatch.setattr(evaluator, "_submit", submit)
    calls = [Call(b"%d" % number, {}, "", 1, ()) for number in range(5)]
    found = dict(evaluator._perform(calls))
    assert rounds == [[[b"0", b"1", b"2", b"3"], [b"4"]], [[b"1"], [b"2", b"3"]], [[b"1"]]]
    assert found.pop(1) == Lost("its job ended in each of 3 tries")
    assert found == {0: b"0", 2: b"2", 3: b"3", 4: b"4"}


def test_slurm_that_takes_no_jobs_is_the_machines_fault(make, monkeypatch):
    def refuse(self, **options):
        raise submitit.core.utils.FailedSubmissionError("sbatch: error: invalid partition")

    monkeypatch.setattr(submitit.AutoExecutor, "update_parameters", refuse)
    with pytest.raises(MachineError, match="SLURM takes no jobs: sbatch: error"):
        make().evaluate([GOOD], ScriptedFamily(), [tiny_task()])


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    evaluator = SubmititEvaluator(str(tmp_path / "file"), "debug")
    with pytest.raises(MachineError, match="`folder` to be a folder on a disk that all machines"):
        evaluator.evaluate([GOOD], ScriptedFamily(), [tiny_task()])


def test_how_jobs_are_made_is_no_setting_of_a_search(tmp_path):
    one = SubmititEvaluator(str(tmp_path), "local", partition="gpu", minutes=5, chunk=2)
    assert fingerprint(one) == fingerprint(SubmititEvaluator("elsewhere", "debug"))


def test_without_submitit_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lightning-lossmeta\[slurm\]'"):
        SubmititEvaluator("folder")


@pytest.mark.parametrize("wrong", [{"executor": "pbs"}, {"minutes": 0}, {"chunk": 0}])
def test_refuses_what_makes_no_sense(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        SubmititEvaluator("folder", **wrong)
