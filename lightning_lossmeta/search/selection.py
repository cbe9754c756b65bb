"""What a search ends with: the best of its candidates on fresh seeds, or a baseline."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.task import Task


@dataclass(frozen=True)
class Finalists:
    """How the learned loss is chosen out of all that a search trained.

    The best fitness of hundreds of short fits is partly luck: the first few are trained again.

    Args:
        count: How many of the best candidates are trained again.
        seeds: On how many fresh seeds each of them is trained.

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
        evaluator: Trains the finalists.
        settings: How many finalists there are, and on how many seeds each is trained.

    Returns:
        The chosen candidate with its mean objectives over the fresh seeds; the search's own best,
        if every finalist diverged.
    """
    finalists = _leaders(search, settings.count)
    rounds = [
        evaluator.evaluate(finalists, search.family, _fresh_tasks(search, number))
        for number in range(settings.seeds)
    ]
    means = [
        _mean(candidate, row)
        for candidate, row in zip(finalists, zip(*rounds, strict=True), strict=True)
    ]
    best = max(means, key=lambda item: item.fitness)
    if not math.isfinite(best.fitness) and search.best is not None:
        return search.best
    return best


def best_baseline(search: Search, evaluator: Evaluator) -> tuple[str, Evaluation] | None:
    """Train the baselines that the family can write, and take the best.

    Args:
        search: A search that could train no candidate.
        evaluator: Trains the baselines.

    Returns:
        The best baseline's name and evaluation; ``None`` if the family can write none, or none
        could be trained.

    Warns:
        UserWarning: That the loss was not learned.
    """
    baselines = search.family.baselines()
    if not baselines:
        return None
    tasks = _fresh_tasks(search, 0)
    evaluations = evaluator.evaluate(list(baselines.values()), search.family, tasks)
    pairs = zip(baselines, evaluations, strict=True)
    name, best = max(pairs, key=lambda pair: pair[1].fitness)
    if not math.isfinite(best.fitness):
        return None
    warnings.warn(
        f"No candidate could be trained in {search.searcher.generation} generations: the loss that "
        f"is stored is {name}, the best of {', '.join(baselines)}, and was not learned.",
        stacklevel=2,
    )
    return name, best


def _fresh_tasks(search: Search, number: int) -> list[Task]:
    """The tasks with seeds that no generation has."""
    return [
        replace(task, seed=derived_seed(search.seed, Purpose.FINALISTS, number, position))
        for position, task in enumerate(search.tasks)
    ]


def _mean(candidate: Candidate, row: tuple[Evaluation, ...]) -> Evaluation:
    if not all(item.objectives for item in row):
        return Evaluation(candidate, status=Status.DIVERGED)
    columns = zip(*(item.objectives for item in row), strict=True)
    objectives = tuple(sum(column) / len(row) for column in columns)
    return Evaluation(candidate, objectives, Status.OK, row[0].weights)


def _leaders(search: Search, count: int) -> list[Candidate]:
    """The candidates with the best fitness of all generations, each once.

    What was cached is another writing of one that was trained.
    """
    scored = [
        item
        for generation in search.searcher.history
        for item in generation
        if item.status is Status.OK
    ]
    scored.sort(key=lambda item: -item.fitness)
    return list(dict.fromkeys(item.candidate for item in scored))[:count]
