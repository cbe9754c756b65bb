"""One Lightning fit a candidate, in worker processes side by side."""

from __future__ import annotations

import copy
import itertools
import math
import multiprocessing
import multiprocessing.util
import os
import pickle
import sys
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.evaluators.worker import Setting, WorkerProcess, stop
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
        self._parcels = _Parcels()
        self._false_starts = 0
        # Before multiprocessing waits at exit for processes that are no daemons, and not in forks.
        multiprocessing.util.Finalize(self, stop, args=(self._workers,), exitpriority=10)

    def __reduce__(self) -> tuple[type[ProcessEvaluator], tuple[int | None, float | None]]:
        """Copies start processes of their own."""
        return type(self), (self.processes, self.timeout)

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """What can't be sent to another process."""
        for task in tasks:
            try:
                self._setting(family, task)
            except Exception as error:  # noqa: BLE001 - pickling runs the user's classes
                return (
                    f"{task.name}: module, data, callbacks or family can't be sent to another "
                    f"process ({error}). Define their classes and functions at the top level of a "
                    "module (no lambdas), or use TrainerEvaluator."
                )
        return None

    def close(self) -> None:
        """End the workers and forget what they were sent; the evaluator can be used again."""
        stop(self._workers)
        self._workers.clear()
        self._parcels = _Parcels()
        self._false_starts = 0

    def _setting(self, family: LossFamily, task: Task) -> Setting:
        module, data, own = map(self._parcels.number, (task.module, task.data, family))
        rest = pickle.dumps((task.session, task.seed, task.name))
        return Setting(module, data, own, rest, self._parcels.blobs())

    def _evaluate_task(
        self, candidates: list[Candidate], family: LossFamily, task: Task
    ) -> list[Evaluation]:
        setting = self._setting(family, task)
        if self._parcels.unprepared(setting.data):
            task.data.prepare_data()  # downloads once, before the workers find its files
        try:
            return self._score(candidates, setting)
        except BaseException:
            self.close()  # workers amid a candidate would answer the next call with it
            raise

    def _score(self, candidates: list[Candidate], setting: Setting) -> list[Evaluation]:
        queue = deque(range(len(candidates)))
        deaths: Counter[int] = Counter()
        found: dict[int, Evaluation] = {}
        while len(found) < len(candidates):
            self._start(len(candidates) - len(found))
            for worker in self._workers:
                if worker.awaited:
                    continue
                if worker.setting is not setting:
                    worker.prepare(setting)
                elif queue:
                    worker.fit(queue[0], candidates[queue.popleft()])
            for worker in self._heard():
                index, seconds = worker.index, worker.seconds()
                try:
                    reply = worker.receive()
                except EOFError:
                    late = self._late(worker)
                    code = self._discard(worker)
                    if index is None:
                        continue
                    deaths[index] += 1
                    if late:
                        message = f"not done after {self.timeout} seconds"
                    elif deaths[index] == MAX_DEATHS:
                        message = f"its worker process ended twice, at last with exit code {code}"
                    else:
                        queue.appendleft(index)
                        continue
                    found[index] = Evaluation(
                        candidates[index], status=Status.FAILED, seconds=seconds, message=message
                    )
                    continue
                self._false_starts = 0
                if isinstance(reply, str):
                    raise RuntimeError(f"A worker process can't use the task: {reply}")
                if index is not None and reply is not None:
                    found[index] = reply
        return [found[index] for index in range(len(candidates))]
