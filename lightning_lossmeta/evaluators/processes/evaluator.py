"""One Lightning fit a candidate, in worker processes side by side."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.util
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, Any

from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.processes.main_module import main_module_obstacle
from lightning_lossmeta.evaluators.processes.pickle_cache import PickleCache, refuse_interactive
from lightning_lossmeta.evaluators.processes.worker import Setting, WorkerProcess, stop
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.faults import MachineError
from lightning_lossmeta.training.threads import usable_cores

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_DEATHS = 2

#: A worker that ends by itself before its first candidate will do so again; one that is killed may
#: have been unlucky.
MAX_FALSE_STARTS = 3
MAX_KILLED_STARTS = 20


class ProcessEvaluator(Evaluator):
    """Fits candidates in worker processes that stay alive, each with one thread.

    The next candidate goes to the first worker that is free. If a worker ends while it trains
    (killed, out of memory), its candidate is tried once more in another, when the others are done;
    if that ends too, the candidate is failed. Works with any LightningModule that can be pickled.

    Module, data module and family are sent to a worker once: after changing one in place, call
    :meth:`close`. A script needs the guard ``if __name__ == "__main__":``, since the workers import
    it. With a GPU the workers share it.

    Args:
        processes: How many workers there are at the most; one a usable CPU core by default.
        timeout: Seconds after which a candidate's training is given up, as failed.

    Raises:
        ValueError: If ``processes`` is below 1, or ``timeout`` is not positive.
    """

    has_workers = True

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
        self._running = False
        self._forget()
        # Runs before multiprocessing waits, at exit, for what is no daemon; and not in forks.
        multiprocessing.util.Finalize(self, stop, args=(self._workers,), exitpriority=10)

    @classmethod
    def example(cls) -> Self:
        """A single worker."""
        return cls(processes=1)

    def __reduce__(self) -> tuple[type[ProcessEvaluator], tuple[int | None, float | None]]:
        """Pickle the arguments alone: a copy starts processes of its own."""
        return type(self), (self.processes, self.timeout)

    def probe_size(self, count: int) -> int:
        """One candidate a worker, as they train side by side."""
        return min(count, self.processes or usable_cores())

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say why there can be no workers, or what can't be sent to them; ``None`` if it can."""
        reasons = (self._unsendable(family, task) for task in tasks)
        return main_module_obstacle() or next(filter(None, reasons), None)

    def close(self) -> None:
        """End the workers and forget what they were sent; the evaluator can be used again."""
        self._drop(self._workers)
        self._forget()

    def _forget(self) -> None:
        self._pickles = PickleCache(refuse_interactive)
        self._prepared: set[int] = set()
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
        pickled = self._pickles.dumps((task, family), task.module, task.data, family)
        return Setting(pickled, self._pickles.kept())

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Hand out all tasks' jobs in turn, so that no worker waits for a task's last one."""
        if self._running:
            raise RuntimeError(
                "Expected one run at a time: exhaust or close the earlier one first."
            )
        self._running = True
        try:
            yield from self._results(_Batch(jobs, self._settings(jobs, family)))
        except BaseException:
            self.close()  # a worker amid a candidate would answer the next call with it
            raise
        finally:
            self._running = False

    def _settings(self, jobs: Sequence[Job], family: LossFamily) -> list[Setting]:
        """Return each job's setting; data are downloaded once, in this process."""
        made: dict[int, Setting] = {}
        for task in (job.task for job in jobs):
            if id(task) not in made:
                made[id(task)] = self._setting(family, task)
                number = self._pickles.number(task.data)
                if number not in self._prepared:
                    task.data.prepare_data()
                    self._prepared.add(number)
        return [made[id(job.task)] for job in jobs]

    def _results(self, batch: _Batch) -> Iterator[tuple[int, Evaluation]]:
        self._drop([worker for worker in self._workers if not worker.process.is_alive()])
        context = _context()
        while batch.open:
            while len(self._workers) < min(batch.open, self.processes or usable_cores()):
                self._workers.append(WorkerProcess(context))
            for worker in self._workers:
                if batch.queue and not worker.awaited:
                    batch.hand_out(worker)
            for worker in self._ready():
                index = worker.index
                evaluation = self._outcome(worker, batch)
                if index is not None and evaluation is not None:
                    batch.open -= 1
                    yield index, evaluation

    def _drop(self, workers: list[WorkerProcess]) -> list[int | None]:
        dropped = list(workers)
        self._workers[:] = [worker for worker in self._workers if worker not in dropped]
        return stop(dropped)

    def _ready(self) -> list[WorkerProcess]:
        """Wait for workers that replied, ended or ran out of time."""
        sources: dict[Any, WorkerProcess] = {}
        for worker in self._workers:
            sources[worker.connection] = sources[worker.process.sentinel] = worker
        left = min(map(self._seconds_left, self._workers))
        ready = wait(list(sources), None if left == math.inf else max(0.0, left))
        late = [worker for worker in self._workers if self._seconds_left(worker) <= 0]
        return list(dict.fromkeys([*(sources[source] for source in ready), *late]))

    def _seconds_left(self, worker: WorkerProcess) -> float:
        if self.timeout is None or worker.index is None:
            return math.inf
        return self.timeout - worker.seconds()

    def _outcome(self, worker: WorkerProcess, batch: _Batch) -> Evaluation | None:
        """Take a worker's reply, or its end; there is no evaluation where a job goes on."""
        index, seconds = worker.index, worker.seconds()
        try:
            reply = worker.receive()
        except EOFError:
            late = self._seconds_left(worker) <= 0
            (code,) = self._drop([worker])
            if index is None:
                self._count_false_start(code)
                return None
            if late:
                reason = f"training took longer than {self.timeout} seconds"
                return batch.failed(index, seconds, reason)
            return batch.after_death(index, seconds, code)
        if isinstance(reply, MachineError):
            raise reply
        if isinstance(reply, str):
            raise RuntimeError(f"A worker process can't use the task: {reply}")
        if reply is not None:
            self._false_starts = 0
        return reply

    def _count_false_start(self, code: int | None) -> None:
        self._false_starts += 1
        killed = code is not None and code < 0
        if self._false_starts >= (MAX_KILLED_STARTS if killed else MAX_FALSE_STARTS):
            raise MachineError(
                f"{self._false_starts} worker processes in a row ended before their first "
                f"candidate, the last with exit code {code}; what they wrote to stderr says why. A "
                'script needs the guard `if __name__ == "__main__":`.'
            )


class _Batch:
    """The jobs of a run by index, each with its setting, and those that wait for a worker."""

    def __init__(self, jobs: Sequence[Job], settings: list[Setting]) -> None:
        self.queue = deque(range(len(jobs)))
        self.open = len(jobs)
        self._jobs = jobs
        self._settings = settings
        self._deaths: Counter[int] = Counter()

    def hand_out(self, worker: WorkerProcess) -> None:
        """Give a free worker the next job, or before that the job's setting."""
        setting = self._settings[self.queue[0]]
        if worker.setting is setting:
            index = self.queue.popleft()
            worker.fit(index, self._jobs[index].candidate)
        else:
            worker.prepare(setting)

    def after_death(self, index: int, seconds: float, code: int | None) -> Evaluation | None:
        """Queue a job again whose worker ended, or give it up."""
        self._deaths[index] += 1
        if self._deaths[index] == MAX_DEATHS:
            reason = f"its worker process ended in training {MAX_DEATHS} times"
            return self.failed(index, seconds, f"{reason}, at last with exit code {code}")
        self.queue.append(index)  # behind the others: memory may be free by then
        return None

    def failed(self, index: int, seconds: float, message: str) -> Evaluation:
        """Give a job up: its candidate is failed, with this message."""
        candidate = self._jobs[index].candidate
        return Evaluation(candidate, status=Status.FAILED, seconds=seconds, message=message)


def _context() -> BaseContext:
    """Fork workers from a server that has imported the package, and has no threads to lose."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([WorkerProcess.__module__])
    return context
