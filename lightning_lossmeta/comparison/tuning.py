"""The learning rate of each loss, chosen alike for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lightning_lossmeta.comparison.runs import Run
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.task import Task

#: A task's name and a loss's.
Key = tuple[str, str]

#: Trains runs, told what they are for.
TrainFn = Callable[[list[Run], str], list[Evaluation]]


@dataclass
class Tuning:
    """What was found of a loss on a task.

    Args:
        scores: The mean validation score at each learning-rate factor.
        failures: Messages of the trainings that failed.
    """

    scores: dict[float, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def best(self) -> float:
        """The factor with the highest score; the one nearest to 1 where none has a score.

        >>> Tuning({0.1: 0.5, 1.0: 0.7}).best
        1.0
        """
        if any(map(math.isfinite, self.scores.values())):
            return max(self.scores, key=self.scores.__getitem__)
        return min(self.scores, key=lambda factor: abs(math.log(factor)))

    @property
    def sorted_scores(self) -> dict[float, float]:
        """The scores in rising order of their factors."""
        return dict(sorted(self.scores.items()))

    @property
    def at_edge(self) -> bool:
        """Whether a wider grid might do better."""
        return len(self.scores) > 1 and self.best in (min(self.scores), max(self.scores))

    def beyond(self) -> float | None:
        """The next factor past the edge at which the best one lies, as far as the last step was.

        >>> Tuning({0.1: 0.9, 1.0: 0.7, 3.0: 0.1}).beyond()
        0.01
        """
        if not self.at_edge or not math.isfinite(self.scores[self.best]):
            return None
        order = sorted(self.scores, reverse=self.best == min(self.scores))
        step = order[-1] / order[-2]
        return float(f"{order[-1] * step:.6g}")


def tune(
    tasks: Sequence[Task],
    losses: Sequence[str],
    grid: Sequence[float],
    widenings: int,
    variants: Callable[[Task, Sequence[float]], list[tuple[Task, float]]],
    train: TrainFn,
) -> dict[Key, Tuning]:
    """Train each loss at all factors of the grid, and on past its edge where the best one lies.

    Args:
        tasks: The tasks.
        losses: The names of the losses.
        grid: Learning-rate factors; a single one is taken for all, untrained.
        widenings: How often a loss gets one more factor past the edge.
        variants: A task for each seed and factor, with the factor.
        train: Trains runs.
    """
    found = {(task.name, name): Tuning() for task in tasks for name in losses}
    if len(grid) == 1:
        for item in found.values():
            item.scores[grid[0]] = math.nan
        return found
    wanted: Mapping[Key, Sequence[float]] = dict.fromkeys(found, grid)
    for attempt in range(1 + widenings):
        stage = "tuning, wider" if attempt else "tuning"
        _train_at(wanted, tasks, losses, variants, train, stage, found)
        edges = {key: item.beyond() for key, item in found.items()}
        wanted = {key: [edge] for key, edge in edges.items() if edge is not None}
        if not wanted:
            break
    return found


def _train_at(
    wanted: Mapping[Key, Sequence[float]],
    tasks: Sequence[Task],
    losses: Sequence[str],
    variants: Callable[[Task, Sequence[float]], list[tuple[Task, float]]],
    train: TrainFn,
    stage: str,
    found: dict[Key, Tuning],
) -> None:
    places: list[tuple[Key, float]] = []
    runs = []
    for task in tasks:
        own = {name: wanted.get((task.name, name), ()) for name in losses}
        factors = sorted({factor for grid in own.values() for factor in grid})
        for variant, factor in variants(task, factors) if factors else ():
            for name in losses:
                if factor in own[name]:
                    places.append(((task.name, name), factor))
                    runs.append(Run(name, variant))
    scores: dict[tuple[Key, float], list[float]] = {}
    for (key, factor), result in zip(places, train(runs, stage), strict=True):
        scores.setdefault((key, factor), []).append(result.fitness)
        if message := failure_of(result):
            found[key].failures.append(message)
    for (key, factor), values in scores.items():
        found[key].scores[factor] = float(np.mean(values))


def failure_of(result: Evaluation) -> str:
    """What a training failed with; empty if it ended, were it by diverging."""
    if result.trained or result.status is Status.DIVERGED:
        return ""
    return result.message or "no reason given"
