"""What a search gives where nothing could be trained: the best hand-made loss of its family."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator


def fall_back(search: Search, evaluator: Evaluator) -> tuple[str, Evaluation] | None:
    """Train the usual losses that the family can write, and take the best.

    Args:
        search: Without a trained candidate.
        evaluator: Trains.

    Returns:
        Its name and evaluation; ``None`` if the family can write none, or none could be trained.

    Warns:
        UserWarning: That the loss was not learned.
    """
    usual = search.family.baselines()
    if not usual:
        return None
    tasks = [
        replace(task, seed=derived_seed(search.seed, Purpose.FINALISTS, 0, position))
        for position, task in enumerate(search.tasks)
    ]
    found = evaluator.evaluate(list(usual.values()), search.family, tasks)
    name, best = max(zip(usual, found, strict=True), key=lambda pair: pair[1].fitness)
    if not math.isfinite(best.fitness):
        return None
    warnings.warn(
        f"No candidate could be trained in {search.searcher.generation} generations: the loss that "
        f"is stored is {name}, the best of {', '.join(usual)}, and was not learned.",
        stacklevel=2,
    )
    return name, best
