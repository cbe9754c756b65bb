"""Which trainings can be one stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.evaluators.population.stackable import steps_follow_rate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.seeded_loaders import seeds_can_share


@dataclass(frozen=True)
class StackedRun:
    """One training among those of a stack.

    Args:
        index: The place of its job among all jobs.
        candidate: The candidate that it trains with.
        loss: The candidate's loss.
        task: Its task, with its own seed and learning rate.
    """

    index: int
    candidate: Candidate
    loss: LossFunction
    task: Task


@dataclass(frozen=True)
class StackedRuns:
    """The trainings of one stack, whose tasks differ in seed and learning rate at the most.

    Args:
        family: The family of the losses.
        members: The trainings, at least one.
    """

    family: LossFamily
    members: tuple[StackedRun, ...]

    def __len__(self) -> int:
        return len(self.members)

    def part(self, start: int, end: int) -> StackedRuns:
        """The members from ``start`` to ``end`` as a stack of their own."""
        return replace(self, members=self.members[start:end])

    @cached_property
    def task(self) -> Task:
        """The first member's task, with the highest learning rate of all."""
        factors = [member.task.session.learning_rate_factor for member in self.members]
        return with_factor(self.members[0].task, max(factors))

    @property
    def lr_scales(self) -> list[float]:
        """Each member's share of the highest learning rate."""
        highest = self.task.session.learning_rate_factor
        return [m.task.session.learning_rate_factor / highest for m in self.members]

    @cached_property
    def by_seed(self) -> list[Task]:
        """The task once with each of the members' seeds."""
        seeds = dict.fromkeys(member.task.seed for member in self.members)
        return [replace(self.task, seed=seed) for seed in seeds]

    @property
    def seed_index(self) -> list[int]:
        """For each member the position of its seed in :attr:`by_seed`."""
        position = {task.seed: number for number, task in enumerate(self.by_seed)}
        return [position[member.task.seed] for member in self.members]

    @property
    def code(self) -> str:
        """A name of all that a compiled step depends on beside the structure of candidates."""
        family = f"{self.family.name} {self.family.settings()}"
        return f"{self.task.name}, {family}, {self.seed_index if len(self.by_seed) > 1 else ''}"


def group(jobs: Sequence[Job]) -> list[list[int]]:
    """Group the places of jobs that can be one stack.

    Args:
        jobs: Jobs on tasks whose modules can be stacked.
    """
    leaders: list[Task] = []
    known: dict[int, int] = {}
    groups: list[list[int]] = []
    for place, job in enumerate(jobs):
        if id(job.task) not in known:
            alike = (n for n, task in enumerate(leaders) if _can_share(task, job.task))
            known[id(job.task)] = next(alike, len(leaders))
        number = known[id(job.task)]
        if number == len(leaders):
            leaders.append(job.task)
            groups.append([])
        groups[number].append(place)
    return groups


def _can_share(one: Task, other: Task) -> bool:
    """Whether tasks are the same but for what a stack can give to each network."""
    if replace(with_factor(one, 1.0), seed=0) != replace(with_factor(other, 1.0), seed=0):
        return False
    if one.seed != other.seed and not seeds_can_share(one):
        return False
    factors = {task.session.learning_rate_factor for task in (one, other)}
    return len(factors) == 1 or steps_follow_rate(cast(SupervisedModule, one.fresh_module()))


def with_factor(task: Task, factor: float) -> Task:
    """A task with another learning rate."""
    return replace(task, session=replace(task.session, learning_rate_factor=factor))
