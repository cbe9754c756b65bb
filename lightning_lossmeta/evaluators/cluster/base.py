"""What evaluators on clusters have in common: their engine sends calls and brings outcomes back."""

from __future__ import annotations

import os
import pickle
import sys
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.cluster.calls import Call, Fault
from lightning_lossmeta.evaluators.cluster.shares import Share, divide, train
from lightning_lossmeta.evaluators.pool import Argument, Lost, Outcome, WorkerPool
from lightning_lossmeta.evaluators.population.evaluator import PopulationEvaluator
from lightning_lossmeta.evaluators.processes.pickle_cache import PickleCache
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.faults import MachineError


class ClusterEvaluator(Evaluator, WorkerPool):
    """Sends trainings, and other work, to the workers of an engine; a subclass is the engine.

    What a worker does depends on the jobs and on ``stack`` and ``cpus`` alone, so that results are
    the same for any number of workers of one kind.

    Args:
        stack: How many candidates of a task are trained together in a
            :class:`~lightning_lossmeta.evaluators.PopulationEvaluator`'s stack, where the task can
            be stacked.
        cpus: CPU cores of a worker, which are PyTorch's threads too.
        gpus: GPUs of a worker.

    Raises:
        ValueError: If a number is out of its range.
    """

    has_workers = True

    #: Arguments on which results depend; a search may be resumed with others of the rest.
    _BEARING = ("stack", "cpus")

    def __init__(self, stack: int, cpus: float, gpus: float) -> None:
        check_at_least(1, stack=stack)
        for name, value, least in (("cpus", cpus, "above 0"), ("gpus", gpus, "at least 0")):
            if not (0 <= value < 1e6) or (value == 0 and name == "cpus"):
                raise ValueError(
                    f"Expected argument `{name}` to be a number {least}, got {value!r}."
                )
        self.stack = stack
        self.cpus = cpus
        self.gpus = gpus
        self._pickles: PickleCache[Any] | None = None
        self._prepared: set[int] = set()
        self._wanted: set[int] = set()  # numbers of what was ever sent
        self._sender = uuid.uuid4().hex
        self._stacker = PopulationEvaluator()

    @property
    def pool(self) -> WorkerPool:
        """The evaluator itself, whose workers take other work too."""
        return self

    @abstractmethod
    def _perform(self, calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        """Have workers perform calls.

        Yields:
            Place of a call and what came back: its outcome, a ``Lost``, ``Fault`` or
            ``MachineError``; in any order, each once.
        """

    @abstractmethod
    def _pickler(self) -> type[pickle.Pickler]:
        """The class of a pickler whose pickles the workers can read."""

    @abstractmethod
    def _keep(self, pickled: bytes) -> Any:
        """What the driver keeps of the pickle of a shared object."""

    @abstractmethod
    def _sent(self, kept: Any) -> Any:
        """What a call says of where the pickle is."""

    @abstractmethod
    def _slots(self) -> int:
        """How many calls the workers do at once."""

    def probe_size(self, count: int) -> int:
        """As many as train side by side."""
        return min(count, self.stack * self._slots())

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say what can't be sent to workers, or what they lack; ``None`` if nothing."""
        for task in tasks:
            if self.gpus == 0 and task.session.accelerator not in ("cpu", "auto"):
                return (
                    f"{task.name}: its session wants accelerator={task.session.accelerator!r}, but "
                    "a worker has none: set `gpus`, e.g. 0.25 for four trainings on each GPU, or "
                    "`--trainer.accelerator cpu`."
                )
            try:
                self._cache().dumps((task, family), task.module, task.data, family)
            except Exception as error:  # pickling runs whatever the user's classes define
                return (
                    f"{task.name}: the module, data, callbacks or family can't be sent to another "
                    f"process ({type(error).__name__}: {error})."
                )
        return None

    def close(self) -> None:
        """Forget what was sent, and the engine; the evaluator can be used again."""
        self._forget()

    def map(
        self,
        function: Callable[[Argument], Outcome],
        arguments: Sequence[Argument],
        shared: Sequence[object],
    ) -> Iterator[tuple[int, Outcome | Lost]]:
        """Call a function with each of some arguments, whatever worker is free.

        Args:
            function: Of the top level of a module.
            arguments: Each is sent on its own.
            shared: Large objects within them, which are sent to a worker once.

        Yields:
            Place of an argument and its outcome, in any order, each once.

        Raises:
            MachineError: If the machine or the data failed.
            RuntimeError: If a worker can't do the work.
        """
        if not arguments:
            return
        cache = self._cache()
        for item in shared:
            self._wanted.add(number := cache.number(item))
            if isinstance(item, pl.LightningDataModule) and number not in self._prepared:
                item.prepare_data()  # downloads once, here
                self._prepared.add(number)
        kept = {n: self._sent(item) for n, item in cache.kept().items() if n in self._wanted}
        threads, path = max(1, int(self.cpus)), tuple(map(os.path.abspath, sys.path))
        calls = [
            Call(cache.dumps((function, item), *shared), kept, self._sender, threads, path)
            for item in arguments
        ]
        for place, outcome in self._perform(calls):
            if isinstance(outcome, MachineError):
                raise outcome
            if isinstance(outcome, Fault):
                raise RuntimeError(f"A worker can't do its work: {outcome.message}")
            yield place, outcome

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Train all shares; the members of a stack that was lost are then tried alone."""
        jobs = _on_any_device(jobs)
        shares = divide(jobs, family, self.stack, self._stacker)
        again: list[tuple[list[int], bool]] = []
        for places, outcome in self._train(shares, jobs, family):
            if not isinstance(outcome, Lost):
                yield from zip(places, outcome, strict=True)
            elif len(places) > 1:
                again += [([place], True) for place in places]
            else:
                yield places[0], _failed(jobs[places[0]], outcome)
        for (place,), outcome in self._train(again, jobs, family):
            yield place, _failed(jobs[place], outcome) if isinstance(outcome, Lost) else outcome[0]

    def _train(
        self, shares: Sequence[tuple[list[int], bool]], jobs: Sequence[Job], family: LossFamily
    ) -> Iterator[tuple[list[int], list[Evaluation] | Lost]]:
        sent = [Share(tuple(jobs[i] for i in places), family, flag) for places, flag in shares]
        tasks = [job.task for job in jobs]
        shared = [family, *(part for task in tasks for part in (task.module, task.data))]
        unique = list({id(item): item for item in shared}.values())
        for number, outcome in self.map(train, sent, unique):
            yield shares[number][0], outcome

    def _cache(self) -> PickleCache[Any]:
        if self._pickles is None:
            self._pickles = PickleCache(self._keep, self._pickler())
        return self._pickles

    def _forget(self) -> None:
        self._pickles = None
        self._prepared.clear()
        self._wanted.clear()
        self._sender = uuid.uuid4().hex
        self._stacker.close()


def _failed(job: Job, lost: Lost) -> Evaluation:
    return Evaluation(job.candidate, status=Status.FAILED, message=lost.message)


def _on_any_device(jobs: Sequence[Job]) -> list[Job]:
    """Jobs whose sessions train on the device that a worker sees, whatever its number here."""
    tasks: dict[int, Task] = {}
    for job in jobs:
        task, session = job.task, job.task.session
        if id(task) not in tasks:
            changed = replace(task, session=replace(session, devices=1))
            tasks[id(task)] = task if session.accelerator == "cpu" else changed
    return [replace(job, task=tasks[id(job.task)]) for job in jobs]


def _describe_cluster(evaluator: ClusterEvaluator, walk: Any) -> dict[str, Any]:
    """By the arguments that results depend on: not by where, and by how many, the work is done."""
    described: Mapping[str, Any] = describe_arguments(evaluator, walk)
    bearing = ("class", *evaluator._BEARING)
    return {name: value for name, value in described.items() if name in bearing}


describe_value.register(ClusterEvaluator, _describe_cluster)
