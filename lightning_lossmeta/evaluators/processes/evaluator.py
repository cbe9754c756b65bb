"""One Lightning fit a candidate, in worker processes side by side."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.util
import os
import pickle
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.processes.pickle_cache import PickleCache
from lightning_lossmeta.evaluators.processes.worker import Setting, WorkerProcess, stop
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task

MAX_DEATHS = 2
MAX_FALSE_STARTS = 3


class ProcessEvaluator(Evaluator):
    """Fits candidates in worker processes that stay alive, each with one thread.

    The next candidate goes to the first worker that is free. If a worker ends while it trains
    (killed, out of memory), its candidate is tried once more in another; if that ends too, the
    candidate is failed. Works with any LightningModule that can be pickled.

    Module, data module and family are sent to a worker once: after changing one in place, call
    :meth:`close`. A script needs the guard ``if __name__ == "__main__":``, since the workers import
    it. With a GPU the workers share it.

    Args:
        processes: How many workers there are at the most; one a usable CPU core by default.
        timeout: Seconds after which a candidate's training is given up, as failed.

    Raises:
        ValueError: If ``processes`` is below 1, or ``timeout`` is not positive.
    """

    def __init__(self, processes: int | None = None, timeout: float | None = None) -> None:
        if processes is not None and processes < 1:
            raise ValueError(f"Expected argument `processes` to be at least 1, got {processes}.")
        if timeout is not None and not (timeout > 0 and math.isfinite(timeout)):
            raise ValueError(
                f"Expected argument `timeout` to be a positive number, got {timeout!r}."
            )
        self.processes = processes
        self.timeout = timeout
        self._workers: list[WorkerProcess] = []
        self._parcels = PickleCache()
        self._false_starts = 0
        # Runs before multiprocessing waits, at exit, for what is no daemon; and not in forks.
        multiprocessing.util.Finalize(self, stop, args=(self._workers,), exitpriority=10)

    def __reduce__(self) -> tuple[type[ProcessEvaluator], tuple[int | None, float | None]]:
        """Copies start processes of their own."""
        return type(self), (self.processes, self.timeout)

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """What can't be sent to another process."""
        reasons = (self._unsendable(family, task) for task in tasks)
        return next(filter(None, reasons), None)

    def close(self) -> None:
        """End the workers and forget what they were sent; the evaluator can be used again."""
        stop(self._workers)
        self._workers.clear()
        self._parcels = PickleCache()
        self._false_starts = 0

    def _unsendable(self, family: LossFamily, task: Task) -> str | None:
        try:
            self._setting(family, task)
        except Exception as error:  # pickling runs whatever the user's classes define
            return (
                f"{task.name}: the module, data, callbacks or family can't be sent to another "
                f"process ({error}). Define their classes and functions at the top level of a "
                "module, with no lambdas, or use TrainerEvaluator."
            )
        return None

    def _setting(self, family: LossFamily, task: Task) -> Setting:
        module, data, own = map(self._parcels.number, (task.module, task.data, family))
        rest = pickle.dumps((task.session, task.seed, task.name))
        return Setting(module, data, own, rest, self._parcels.blobs())

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Hand out all tasks' jobs in turn, so that no worker waits for a task's last one."""
        batch = _Batch([job.candidate for job in jobs])
        told = 0
        try:
            made: dict[int, Setting] = {}
            for job in jobs:
                if id(job.task) not in made:
                    made[id(job.task)] = self._setting(family, job.task)
                    self._parcels.prepare_data(job.task.data)
            settings = [made[id(job.task)] for job in jobs]
            self._drop([w for w in self._workers if not w.process.is_alive()])
            while batch.open:
                self._start(min(batch.open, self.processes or _usable_cores()))
                self._hand_out(batch, settings)
                for worker in self._heard():
                    self._take(worker, batch)
                for place in list(batch.found)[told:]:
                    told += 1
                    yield place, batch.found[place]
        except BaseException:
            self.close()  # a worker amid a candidate would answer the next call with it
            raise

    def _start(self, count: int) -> None:
        context = _context()
        while len(self._workers) < count:
            self._workers.append(WorkerProcess(context))

    def _drop(self, workers: list[WorkerProcess]) -> list[int | None]:
        self._workers[:] = [worker for worker in self._workers if worker not in workers]
        return stop(workers)

    def _hand_out(self, batch: _Batch, settings: list[Setting]) -> None:
        for worker in self._workers:
            if worker.awaited or not batch.queue:
                continue
            if worker.setting is settings[batch.queue[0]]:
                index = batch.queue.popleft()
                worker.fit(index, batch.candidates[index])
            else:
                worker.prepare(settings[batch.queue[0]])

    def _heard(self) -> list[WorkerProcess]:
        """Wait for workers that replied, ended or ran out of time."""
        sources: dict[Any, WorkerProcess] = {}
        for worker in self._workers:
            sources[worker.connection] = sources[worker.process.sentinel] = worker
        left = [self.timeout - w.seconds() for w in self._workers if self.timeout and w.training]
        ready = wait(list(sources), max(0.0, min(left)) if left else None)
        late = [worker for worker in self._workers if self._late(worker)]
        return list(dict.fromkeys([*(sources[source] for source in ready), *late]))

    def _late(self, worker: WorkerProcess) -> bool:
        return self.timeout is not None and worker.training and worker.seconds() >= self.timeout

    def _take(self, worker: WorkerProcess, batch: _Batch) -> None:
        """Take a worker's reply, or its end."""
        index, seconds = worker.index, worker.seconds()
        try:
            reply = worker.receive()
        except EOFError:
            late = self._late(worker)
            (code,) = self._drop([worker])
            if index is None:
                self._count_false_start(code)
            elif late:
                batch.fail(index, seconds, f"training took longer than {self.timeout} seconds")
            else:
                batch.died(index, seconds, code)
            return
        self._false_starts = 0
        if isinstance(reply, str):
            raise RuntimeError(f"A worker process can't use the task: {reply}")
        if index is not None and reply is not None:
            batch.found[index] = reply

    def _count_false_start(self, code: int | None) -> None:
        self._false_starts += 1
        if self._false_starts == MAX_FALSE_STARTS:
            raise RuntimeError(
                f"{MAX_FALSE_STARTS} worker processes in a row ended before their first candidate, "
                f"the last with exit code {code}; what they wrote to stderr says why. A script "
                'needs the guard `if __name__ == "__main__":`.'
            )


class _Batch:
    """Candidates, and what is known of them so far."""

    def __init__(self, candidates: list[Candidate]) -> None:
        self.candidates = candidates
        self.queue = deque(range(len(candidates)))
        self.found: dict[int, Evaluation] = {}
        self._deaths = [0] * len(candidates)

    @property
    def open(self) -> int:
        """How many have no evaluation."""
        return len(self.candidates) - len(self.found)

    def died(self, index: int, seconds: float, code: int | None) -> None:
        """Queue a candidate again whose worker ended, or give it up."""
        self._deaths[index] += 1
        if self._deaths[index] < MAX_DEATHS:
            self.queue.appendleft(index)
        else:
            reason = f"its worker process ended in training {MAX_DEATHS} times"
            self.fail(index, seconds, f"{reason}, at last with exit code {code}")

    def fail(self, index: int, seconds: float, message: str) -> None:
        """Give a candidate up."""
        self.found[index] = Evaluation(
            self.candidates[index], status=Status.FAILED, seconds=seconds, message=message
        )


def _context() -> BaseContext:
    """Fork workers from a server that has imported the package, and has no threads to lose."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([WorkerProcess.__module__])
    return context


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
