"""Losses on equal terms: paired seeds, one budget, each at its own best learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import stats

from lightning_lossmeta.checks import check_at_least
from lightning_lossmeta.comparison.fixed import NamedLosses
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.task import Task


@dataclass(frozen=True)
class Comparison:
    """How losses are compared.

    Args:
        seeds: How many fresh seeds score each loss on the test split.
        tuning_seeds: How many other seeds choose its learning rate on the validation split.
        learning_rate_factors: The grid, relative to what the module configures.
        steps: Training budget of every fit; ``None`` for that of the search's sessions.

    Raises:
        ValueError: If a count is below 1 (2 for ``seeds``), or the grid is empty or not positive.
    """

    seeds: int = 5
    tuning_seeds: int = 3
    learning_rate_factors: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    steps: int | None = None

    def __post_init__(self) -> None:
        check_at_least(2, seeds=self.seeds)
        check_at_least(1, tuning_seeds=self.tuning_seeds)
        if self.steps is not None:
            check_at_least(1, steps=self.steps)
        grid = self.learning_rate_factors
        if not grid or not all(factor > 0 for factor in grid):
            raise ValueError(
                "Expected argument `learning_rate_factors` to hold positive numbers, got "
                f"{list(grid)}."
            )


@dataclass(frozen=True)
class Row:
    """One loss's result.

    Args:
        name: Of the loss.
        factor: Its best learning-rate factor on the validation split.
        at_edge: Whether that is the least or largest of the grid.
        scores: On the test split, one a seed; NaN where training diverged.
        p_value: Of Welch's two-sided t-test against the first loss; NaN for that one itself.
        tuning: Mean validation score by factor.
    """

    name: str
    factor: float
    at_edge: bool
    scores: tuple[float, ...]
    p_value: float = math.nan
    tuning: Mapping[float, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.scores))

    @property
    def std(self) -> float:
        """Over the seeds, with n - 1."""
        return float(np.std(self.scores, ddof=1))


def compare_losses(
    losses: Mapping[str, LossFunction],
    task: Task,
    evaluator: Evaluator,
    settings: Comparison,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """Train every loss alike and score it on the test split.

    The learning rate of each is the one with the best mean validation score over seeds of their
    own; then fresh seeds, the same for all losses, give initial weights and batches.

    Args:
        losses: By name; the others are tested against the first.
        task: Module, data and session.
        evaluator: Trains.
        settings: Seeds, grid and budget.
        progress: Called with a line before each stage.

    Returns:
        One row a loss, in order.
    """
    family = NamedLosses(losses)
    session = replace(
        task.session, steps=settings.steps or task.session.steps, validations=0, split="val"
    )
    base = replace(task, session=session)
    grid = sorted(settings.learning_rate_factors)
    seeds = np.random.SeedSequence(task.seed).generate_state(settings.tuning_seeds + settings.seeds)
    tuning: dict[str, dict[float, float]] = {name: {} for name in losses}
    for factor in grid:
        progress(f"learning rate x {factor:g}")
        found = [
            _scores(family, losses, _at(base, factor, int(seed)), evaluator)
            for seed in seeds[: settings.tuning_seeds]
        ]
        for name in losses:
            tuning[name][factor] = float(np.mean([scores[name] for scores in found]))
    best = {name: max(grid, key=lambda f, n=name: tuning[n][f]) for name in losses}  # type: ignore[misc]
    test = replace(base, session=replace(session, split="test"))
    scores: dict[str, list[float]] = {name: [] for name in losses}
    for number, seed in enumerate(seeds[settings.tuning_seeds :]):
        progress(f"test seed {number + 1} of {settings.seeds}")
        for factor in sorted(set(best.values())):
            group = [name for name in losses if best[name] == factor]
            result = _scores(family, group, _at(test, factor, int(seed)), evaluator)
            for name in group:
                value = result[name] if math.isfinite(result[name]) else math.nan
                scores[name].append(value if session.mode == "max" else -value)
    return _rows(list(losses), best, grid, scores, tuning)


def _at(task: Task, factor: float, seed: int) -> Task:
    factor *= task.session.learning_rate_factor
    return replace(task, seed=seed, session=replace(task.session, learning_rate_factor=factor))


def _scores(
    family: NamedLosses,
    names: Mapping[str, LossFunction] | Sequence[str],
    task: Task,
    evaluator: Evaluator,
) -> dict[str, float]:
    candidates = [candidate for candidate in family.candidates() if candidate.structure in names]
    found: list[Evaluation] = evaluator.evaluate(candidates, family, [task])
    return {str(item.candidate.structure): item.fitness for item in found}


def _rows(
    names: list[str],
    best: dict[str, float],
    grid: list[float],
    scores: dict[str, list[float]],
    tuning: dict[str, dict[float, float]],
) -> list[Row]:
    rows = []
    for number, name in enumerate(names):
        p_value = math.nan
        if number:
            p_value = float(stats.ttest_ind(scores[names[0]], scores[name], equal_var=False).pvalue)
        edge = len(grid) > 1 and best[name] in (grid[0], grid[-1])
        rows.append(Row(name, best[name], edge, tuple(scores[name]), p_value, tuning[name]))
    return rows
