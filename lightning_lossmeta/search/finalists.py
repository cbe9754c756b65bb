"""The choice among a search's best, on fresh seeds: the luckiest need not be the best."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator


@dataclass(frozen=True)
class Finalists:
    """How the learned loss is chosen out of all that a search trained.

    The best fitness of hundreds of short fits is partly luck: the first few are trained again.

    Args:
        count: How many of the best candidates are trained again.
        seeds: On how many fresh seeds each.

    Raises:
        ValueError: If a number is below 1.
    """

    count: int = 5
    seeds: int = 3

    def __post_init__(self) -> None:
        check_at_least(1, count=self.count, seeds=self.seeds)


def choose_finalist(search: Search, evaluator: Evaluator, settings: Finalists) -> Evaluation:
    """Train the best candidates again and take the one with the best mean fitness.

    Args:
        search: A search that trained at least one candidate.
        evaluator: Trains.
        settings: How many, how often.

    Returns:
        The chosen candidate with its mean fitness over the fresh seeds; what the search itself
        found best, if every finalist diverged.
    """
    finalists = _leaders(search, settings.count)
    rounds = []
    for number in range(settings.seeds):
        tasks = [
            replace(task, seed=derived_seed(search.seed, Purpose.FINALISTS, number, position))
            for position, task in enumerate(search.tasks)
        ]
        rounds.append(evaluator.evaluate(finalists, search.family, tasks))
    means = [sum(item.fitness for item in row) / len(row) for row in zip(*rounds, strict=True)]
    best = max(range(len(finalists)), key=means.__getitem__)
    if not math.isfinite(means[best]) and search.best is not None:
        return search.best
    return Evaluation(finalists[best], means[best])


def _leaders(search: Search, count: int) -> list[Candidate]:
    """The candidates with the best fitness of all generations, each once.

    What was cached is another writing of one that was trained.
    """
    told = [item for generation in search.searcher.history for item in generation]
    told = [item for item in told if item.status is Status.OK]
    told.sort(key=lambda item: -item.fitness)
    return list(dict.fromkeys(item.candidate for item in told))[:count]
