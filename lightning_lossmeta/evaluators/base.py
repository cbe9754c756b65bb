"""The contract of an evaluator: score a population on tasks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task


@dataclass(frozen=True)
class Job:
    """One training: a candidate's loss on a task.

    Args:
        candidate: Which loss.
        task: On what, with which seed and session.
    """

    candidate: Candidate
    task: Task


#: Told what is being done, how much of it is done, and of how much.
Listener = Callable[[str, int, int], None]


class Evaluator(ABC):
    """Trains with each candidate's loss and scores the result.

    A subclass writes :meth:`_evaluate_task`, and :meth:`_run` where it can do better than task
    after task. A bad candidate never raises: it comes back diverged or failed. A candidate's result
    depends on the candidate and the task (with its seed) alone, not on its place in the batch or on
    the others.

    Attributes:
        refines: Whether candidates come back with another theta than was asked (local search).
    """

    refines: ClassVar[bool] = False
    _listener: Listener | None = None

    @abstractmethod
    def _evaluate_task(
        self, candidates: list[Candidate], family: LossFamily, task: Task
    ) -> list[Evaluation]:
        """One evaluation a candidate, in order."""

    @property
    def plain(self) -> Evaluator:
        """One that trains with candidates as they are."""
        return self

    def refine(
        self, candidates: Sequence[Candidate], family: LossFamily, tasks: Sequence[Task]
    ) -> list[Evaluation]:
        """Improve candidates before they are scored; by default they stay as they are.

        Args:
            candidates: Where to begin.
            family: Builds the losses.
            tasks: What they will be tried on.

        Returns:
            One evaluation a candidate, in order: of what it became, not scored yet, or a verdict.
        """
        del family, tasks
        return [Evaluation(candidate) for candidate in candidates]

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Why this evaluator can't score on these tasks, or ``None`` if it can."""
        del family, tasks
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed search must find again, as plain JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a stored state."""
        del state

    def close(self) -> None:
        """Let go of processes and memory; the evaluator can be used again."""
        return

    def evaluate(
        self, candidates: Sequence[Candidate], family: LossFamily, tasks: Sequence[Task]
    ) -> list[Evaluation]:
        """Score candidates: the fitness is the mean over the tasks.

        Args:
            candidates: What to score.
            family: Builds the losses.
            tasks: What they are tried on; at least one.

        Returns:
            One evaluation a candidate, in order.

        Raises:
            ValueError: If there is no task, or this evaluator does not support one of them.
        """
        if not tasks:
            raise ValueError("Expected argument `tasks` to hold at least one task, got none.")
        if reason := self.unsupported(family, tasks):
            raise ValueError(f"{type(self).__name__} can't be used here: {reason}")
        jobs = [Job(candidate, task) for task in tasks for candidate in candidates]
        found: dict[int, Evaluation] = {}
        for place, item in self._run(jobs, family):
            found[place] = item
            self._tell("training", len(found), len(jobs))
        names = [task.name for task in tasks]
        count = len(candidates)
        return [
            _mean([found[place] for place in range(index, len(jobs), count)], names)
            for index in range(count)
        ]

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """Have a listener told how far :meth:`refine` and :meth:`evaluate` are.

        Args:
            listener: Called often; its time is the evaluator's.
        """
        heard = {id(one): one for one in (self, self.plain)}.values()
        try:
            for one in heard:
                one._listener = listener
            yield
        finally:
            for one in heard:
                one._listener = None

    def _tell(self, what: str, done: int, count: int) -> None:
        if self._listener is not None:
            self._listener(what, done, count)

    def run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Do jobs of any tasks, giving each result as soon as it is known.

        Args:
            jobs: What to train.
            family: Builds the losses.

        Yields:
            Place of a job among ``jobs`` and its evaluation, in any order, each job once.

        Raises:
            ValueError: If this evaluator does not support one of the tasks.
        """
        tasks = list({id(job.task): job.task for job in jobs}.values())
        if reason := self.unsupported(family, tasks):
            raise ValueError(f"{type(self).__name__} can't be used here: {reason}")
        yield from self._run(jobs, family)

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Task after task."""
        places: dict[int, list[int]] = {}
        for place, job in enumerate(jobs):
            places.setdefault(id(job.task), []).append(place)
        for group in places.values():
            candidates = [jobs[place].candidate for place in group]
            found = self._evaluate_task(candidates, family, jobs[group[0]].task)
            yield from zip(group, found, strict=True)


def refined_and_scored(refined: Evaluation, scored: Evaluation) -> Evaluation:
    """A score with the curves and seconds of the local search before it."""
    return replace(
        scored,
        curves={**refined.curves, **scored.curves},
        seconds=refined.seconds + scored.seconds,
    )


def _mean(row: list[Evaluation], names: list[str]) -> Evaluation:
    """One candidate's evaluations on several tasks as one."""
    if len(row) == 1:
        return row[0]
    seconds = sum(item.seconds for item in row)
    named = list(zip(names, row, strict=True))
    metrics = {f"{name}/{k}": v for name, item in named for k, v in item.metrics.items()}
    curves = {f"{name}/{k}": v for name, item in named for k, v in item.curves.items()}
    bad = [(name, item) for name, item in named if item.status is not Status.OK]
    if bad:
        name, item = bad[0]
        status, fitness, message = item.status, -math.inf, f"{name}: {item.message}"
    else:
        status, message = Status.OK, ""
        fitness = sum(item.fitness for item in row) / len(row)
    return Evaluation(row[0].candidate, fitness, status, metrics, curves, seconds, message)


describe_value.register(Evaluator, describe_arguments)
