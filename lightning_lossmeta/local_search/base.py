"""The contract of a refiner: improve candidates before they are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import ProgressFn, no_progress
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task


@dataclass(frozen=True)
class RefinerJob:
    """One local search: from a candidate, on all tasks at once.

    Args:
        candidate: The loss that the search begins with.
        tasks: The tasks that the loss is to serve, each with its seed; at least one.
    """

    candidate: Candidate
    tasks: tuple[Task, ...]


class Refiner(HasExample, ABC):
    """Improves candidates one by one; the searcher's history holds what they became.

    A subclass writes :meth:`_refine`. A bad candidate never raises: it comes back with a verdict.
    The result depends on the candidate and its tasks alone, not on the other jobs. One that needs
    arguments, or tries out quicker with some, overrides :meth:`example`, by which the contract
    tests make it.
    """

    @abstractmethod
    def _refine(
        self, jobs: Sequence[RefinerJob], family: LossFamily, on_progress: ProgressFn
    ) -> Iterator[tuple[int, Evaluation]]:
        """Search from each candidate, and yield as :meth:`refine`, which has made its checks."""

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say why this refiner can't work on these tasks; ``None`` if it can."""
        del family, tasks
        return None

    def refine(
        self,
        jobs: Sequence[RefinerJob],
        family: LossFamily,
        on_progress: ProgressFn = no_progress,
    ) -> Iterator[tuple[int, Evaluation]]:
        """Improve candidates, each on the tasks of its job.

        Args:
            jobs: The candidates, each with its tasks.
            family: Builds the losses.
            on_progress: Called with a stage, the steps that are done and their count.

        Yields:
            Place of a job among ``jobs``, and what its candidate became: a pending evaluation of
            the refined candidate, or the verdict that it diverged, failed or is no loss.

        Raises:
            ValueError: If this refiner does not support one of the tasks.
        """
        tasks = list({id(task): task for job in jobs for task in job.tasks}.values())
        if reason := self.unsupported(family, tasks):
            raise ValueError(f"{type(self).__name__} can't be used here: {reason}")
        yield from self._refine(jobs, family, on_progress)


describe_value.register(Refiner, describe_arguments)
