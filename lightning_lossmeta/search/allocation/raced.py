"""Further seeds for the candidates that may yet be the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scipy import stats

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.search.allocation.base import Allocation, Plan, Trial

if TYPE_CHECKING:
    from typing_extensions import Self


class RacedSeeds(Allocation):
    """Trains all candidates with one seed, the better half with a second, the rest as they need.

    From the third seed on, a candidate goes on while it is not settled that the leader is better:
    while a paired one-tailed t-test over the seeds that both have gives a p-value above ``level``.
    The leader is the candidate with the best mean of those that are still in the race. All
    candidates of a seed have the same initial weights, batches and noise, so that the differences
    are paired.

    Args:
        seeds: How many seeds a candidate gets at the most; new ones each generation.
        level: The p-value below which the leader is taken to be better.

    Raises:
        ValueError: If ``seeds`` is below 1, or ``level`` does not lie between 0 and 1.

    Source: Maron & Moore (1994), Hoeffding races; the test is Student's, as in F-race.
    """

    def __init__(self, seeds: int = 4, level: float = 0.1) -> None:
        check_at_least(1, seeds=seeds)
        self.seeds = seeds
        self.level = check_interval("level", level, 0, 1, "()")

    @classmethod
    def example(cls) -> Self:
        """Three seeds at the most."""
        return cls(seeds=3)

    def plan(self, candidates: int, tasks: int) -> Plan:
        """One seed after the other, each for those that are still in the race."""
        racing = list(range(candidates))
        for seed in range(self.seeds):
            results = yield [Trial(c, task, seed) for task in range(tasks) for c in racing]
            scores = {c: _by_seed(results, c, tasks, seed + 1) for c in racing}
            alive = [c for c in racing if all(map(math.isfinite, scores[c]))]
            if not alive:
                return set()
            racing = self._remaining(alive, scores, seed + 1)
            if len(racing) < 2:
                break
        return set(range(candidates)) - set(racing)

    def _remaining(
        self, alive: list[int], scores: Mapping[int, Sequence[float]], done: int
    ) -> list[int]:
        """Those that go on after ``done`` seeds, the leader first."""
        order = sorted(alive, key=lambda c: -sum(scores[c]))
        if done == self.seeds:
            return order
        if done == 1:
            return order[: max(2, math.ceil(len(order) / 2))]
        leader = order[:1]
        others = [c for c in order[1:] if not self._settled(scores[order[0]], scores[c])]
        return [*leader, *others]

    def _settled(self, leader: Sequence[float], other: Sequence[float]) -> bool:
        differences = [a - b for a, b in zip(leader, other, strict=True)]
        if max(differences) - min(differences) <= 1e-12:
            return differences[0] > 0
        return float(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue) < self.level


def _by_seed(
    results: Mapping[Trial, Evaluation], candidate: int, tasks: int, seeds: int
) -> list[float]:
    """The mean fitness over the tasks, seed by seed."""
    return [
        sum(results[Trial(candidate, task, seed)].fitness for task in range(tasks)) / tasks
        for seed in range(seeds)
    ]
