"""The same trainings for every candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.search.allocation.base import Allocation, Plan, Trial

if TYPE_CHECKING:
    from typing_extensions import Self


class FixedSeeds(Allocation):
    """Trains each candidate on each task with the same number of seeds.

    Args:
        seeds: How many; new ones each generation, the same for all candidates.

    Raises:
        ValueError: If ``seeds`` is below 1.
    """

    def __init__(self, seeds: int = 1) -> None:
        check_at_least(1, seeds=seeds)
        self.seeds = seeds

    @classmethod
    def example(cls) -> Self:
        """Two seeds."""
        return cls(seeds=2)

    def plan(self, candidates: int, tasks: int) -> Plan:
        """All trials at once."""
        yield [
            Trial(candidate, task, seed)
            for seed in range(self.seeds)
            for task in range(tasks)
            for candidate in range(candidates)
        ]
        return frozenset()
