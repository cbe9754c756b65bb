"""How the learned loss of a search is chosen, and what is left where there is none."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.data.episodes import held_out
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.task import Task


@dataclass(frozen=True)
class Finalists:
    """How the learned loss is chosen out of all that a search trained.

    The best fitness of hundreds of short fits is partly luck. So the first few are trained again on
    fresh seeds, and with them what the searcher recommends, the start of the search, and the usual
    losses; a learned loss that is not better than the best of these is not what a search ends with.
    Where the searcher looks for a front of several objectives, the best are its members.

    Args:
        count: How many of the best candidates are trained again.
        seeds: On how many fresh seeds the better half of them is trained.
        baselines: Names of the ready losses that they are held against; none if empty. By default
            those that are usual for the problem, and the loss that the user's module has.
        learning_rate_factors: A grid, relative to what the session has: each loss is trained at its
            own best rate. It is widened for losses whose best rate lies at its edge; one number
            takes that rate for all.

    Raises:
        ValueError: If a number is below 1, or a factor is not positive or there twice.
    """

    count: int = 5
    seeds: int = 5
    baselines: tuple[str, ...] | None = None
    learning_rate_factors: tuple[float, ...] = (0.3, 1.0, 3.0)

    def __post_init__(self) -> None:
        check_at_least(1, count=self.count, seeds=self.seeds)
        grid = self.learning_rate_factors
        if not grid or len(set(grid)) < len(grid) or not all(0 < f < math.inf for f in grid):
            raise ValueError(
                "Expected argument `learning_rate_factors` to hold positive numbers, each once, "
                f"got {list(grid)}."
            )


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
    """The tasks with seeds that no generation has, and held-out data where there are some."""
    return [
        replace(
            task,
            data=held_out(task.data, "val"),
            seed=derived_seed(search.seed, Purpose.FINALISTS, number, position),
        )
        for position, task in enumerate(search.tasks)
    ]
