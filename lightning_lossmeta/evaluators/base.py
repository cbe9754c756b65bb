"""The contract of an evaluator: train with candidates' losses on tasks, and score what came out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, mean_evaluation
from lightning_lossmeta.evaluators.pool import WorkerPool
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task

#: Called with what is being done, how much of it is done, and of how much.
ProgressFn = Callable[[str, int, int], None]

#: Called with a line for the user.
SayFn = Callable[[str], None]


def no_progress(stage: str, done: int, count: int) -> None:
    """Take no notice: the default where nobody wants to know how far the work is."""
    del stage, done, count


def say_nothing(line: str) -> None:
    """Keep a line to oneself: the default where nobody listens."""
    del line


@dataclass(frozen=True)
class Job:
    """One training: a candidate's loss on a task.

    Args:
        candidate: The loss to train with.
        task: What to train, with its seed and session.
    """

    candidate: Candidate
    task: Task


class Evaluator(HasExample, ABC):
    """Trains with each candidate's loss and scores the result.

    A subclass writes :meth:`_run`. A bad candidate never raises: it comes back diverged or failed.
    Data, disks and workers that are gone are no candidate's fault: they raise a ``MachineError``.
    A candidate's result depends on the candidate and the task (with its seed) alone, not on its
    place in the batch or on the others. One that needs arguments, or tries out quicker with some,
    overrides :meth:`example`, by which the contract tests make it.

    Attributes:
        has_workers: Whether it trains in processes of its own.
    """

    has_workers: bool = False

    @property
    def pool(self) -> WorkerPool | None:
        """Workers that take other work too, such as local searches; ``None`` if there are none."""
        return None

    @abstractmethod
    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Do jobs of any tasks, giving each result as soon as it is known.

        Jobs of one task hold the same object, by which it is known that they belong together.

        Yields:
            Place of a job among ``jobs`` and its evaluation, in any order, each job once.
        """

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say why this evaluator can't score on these tasks; ``None`` if it can."""
        del family, tasks
        return None

    def prepare(self, generations: int, say: SayFn = say_nothing) -> None:
        """Learn, before the first run, of how many like it there will be, and whom to tell.

        Args:
            generations: How many runs of about as many jobs there are.
            say: Takes lines for the user.
        """
        del generations, say

    def choice(self, candidates: Sequence[Candidate], family: LossFamily, task: Task) -> Evaluator:
        """The evaluator that does a task's trainings: this one, unless it hands them to others."""
        del candidates, family, task
        return self

    def probe_size(self, count: int) -> int:
        """How many candidates tell what ``count`` cost, which is taken to grow in proportion."""
        return min(2, count)

    def state_dict(self) -> dict[str, Any]:
        """The state that a resumed search must have again, as plain JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the state that :meth:`state_dict` gave."""
        del state

    def close(self) -> None:
        """Let go of processes and memory; the evaluator can be used again."""
        return

    def run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Do jobs of any tasks, giving each result as soon as it is known.

        Args:
            jobs: The trainings to do.
            family: Builds the losses.

        Yields:
            Place of a job among ``jobs`` and its evaluation, in any order, each job once.

        Raises:
            ValueError: If this evaluator does not support one of the tasks.
            MachineError: If the machine or the data failed, not a candidate.
        """
        self._check(family, list({id(job.task): job.task for job in jobs}.values()))
        yield from self._run(jobs, family)

    def evaluate(
        self,
        candidates: Sequence[Candidate],
        family: LossFamily,
        tasks: Sequence[Task],
        on_progress: ProgressFn = no_progress,
    ) -> list[Evaluation]:
        """Score candidates: each objective is the mean over the tasks.

        Args:
            candidates: The losses to score.
            family: Builds the losses.
            tasks: The tasks that they are tried on; at least one, of different names.
            on_progress: Called with the number of trainings that are done.

        Returns:
            One evaluation a candidate, in order.

        Raises:
            ValueError: If there is no task, two have one name, or this evaluator does not support
                one of them.
            MachineError: If the machine or the data failed, not a candidate.
        """
        names = [task.name for task in tasks]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                "Expected argument `tasks` to hold at least one task, of different names, got "
                f"{names}."
            )
        self._check(family, tasks)
        jobs = [Job(candidate, task) for task in tasks for candidate in candidates]
        results: dict[int, Evaluation] = {}
        for place, result in self._run(jobs, family):
            results[place] = result
            on_progress("training", len(results), len(jobs))
        count = len(candidates)
        return [
            mean_evaluation([results[place] for place in range(index, len(jobs), count)], names)
            for index in range(count)
        ]

    def _check(self, family: LossFamily, tasks: Sequence[Task]) -> None:
        if reason := self.unsupported(family, tasks):
            raise ValueError(f"{type(self).__name__} can't be used here: {reason}")


describe_value.register(Evaluator, describe_arguments)
