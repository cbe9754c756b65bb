"""The contract of an allocation: which trainings come next, given the results so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence, Set
from typing import NamedTuple

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.evaluation import Evaluation


class Trial(NamedTuple):
    """One training of a generation.

    Args:
        candidate: Position of the candidate among those that are to be trained.
        task: Position of the task.
        seed: Position of the seed; the first is 0. All candidates see the same weights, batches
            and noise under one seed of a task.
    """

    candidate: int
    task: int
    seed: int


#: Yields the next trials, is sent all results so far, and returns the candidates given up.
Plan = Generator[Sequence[Trial], Mapping[Trial, Evaluation], Set[int]]


class Allocation(HasExample, ABC):
    """Says which trainings a generation is spent on.

    A subclass writes :meth:`plan`, a generator: it yields trials, all of which are then trained,
    side by side where the evaluator can, and is sent the results of all trials so far. It ends by
    returning the candidates that it gave up before the others, whose status is ``stopped``. A
    candidate's objectives are the means over its trials; those of one that was given up are raised
    by what the others earned on all of their trials beyond those that they share with it, since its
    seeds may have been harder or kinder. One that needs arguments also overrides
    :meth:`example`, by which the contract tests make it.

    >>> class TwoRounds(Allocation):
    ...     def plan(self, candidates, tasks):
    ...         results = yield [Trial(c, 0, 0) for c in range(candidates)]
    ...         best = max(range(candidates), key=lambda c: results[Trial(c, 0, 0)].fitness)
    ...         yield [Trial(best, 0, 1)]
    ...         return set(range(candidates)) - {best}
    """

    @abstractmethod
    def plan(self, candidates: int, tasks: int) -> Plan:
        """The trials of one generation.

        Args:
            candidates: How many are to be trained, at least one.
            tasks: How many there are, at least one.
        """


describe_value.register(Allocation, describe_arguments)
