"""The results of a comparison, and what is reckoned from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lightning_lossmeta.comparison.statistics import Alternative, average_ranks, holm, welch


@dataclass(frozen=True)
class Row:
    """One loss's result on one task.

    Args:
        name: Of the loss.
        factor: Its best learning-rate factor on the validation split.
        at_edge: Whether that is the least or largest of the grid.
        scores: On the test split at the end of training, one a seed; NaN where training diverged.
        p_value: That it is no better than the baseline; NaN for that one itself.
        tuning: Mean validation score by factor.
        task: Name of the task.
        metrics: Further figures by name, one a seed, NaN where there is none.
        searches: How many losses the scores are of, one after the other.
    """

    name: str
    factor: float
    at_edge: bool
    scores: tuple[float, ...]
    p_value: float = math.nan
    tuning: Mapping[float, float] = field(default_factory=dict)
    task: str = "task"
    metrics: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    searches: int = 1

    @property
    def samples(self) -> tuple[float, ...]:
        """What is independent: the trainings of one loss, or the means of several losses."""
        if self.searches == 1:
            return self.scores
        parts = np.split(np.array(self.scores), self.searches)
        return tuple(float(np.mean(part)) for part in parts)

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.scores))

    @property
    def std(self) -> float:
        """Over the seeds, with n - 1."""
        return deviation(self.scores)


def deviation(values: Sequence[float]) -> float:
    """Standard deviation with n - 1; NaN for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def by_task(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each task, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.task, []).append(row)
    return found


def with_p_values(
    rows: Sequence[Row], baseline: str, one_tailed: bool = True, mode: str = "max"
) -> list[Row]:
    """Rows with Welch's test against the baseline of their task.

    Args:
        rows: Of any number of tasks.
        baseline: Name of a loss.
        one_tailed: Ask whether a loss is better than the baseline, and correct each task's values
            for their number by Holm's method; otherwise ask whether they differ, uncorrected.
        mode: Whether the most (``"max"``) or the least (``"min"``) is the best.

    Raises:
        ValueError: If there is no loss of that name.
    """
    names = list(dict.fromkeys(row.name for row in rows))
    if baseline not in names:
        raise ValueError(f"Expected argument `baseline` to be one of {names}, got {baseline!r}.")
    found: list[Row] = []
    for group in by_task(rows).values():
        (base,) = (row for row in group if row.name == baseline)
        others = [row for row in group if row is not base]
        if one_tailed:
            better: Alternative = "greater" if mode == "max" else "less"
            values = list(holm([welch(row.samples, base.samples, better) for row in others]))
        else:
            values = [welch(row.samples, base.samples, "two-sided") for row in others]
        known = {row.name: p for row, p in zip(others, values, strict=True)}
        found += [replace(row, p_value=known.get(row.name, math.nan)) for row in group]
    return found


def ranks(rows: Sequence[Row], mode: str = "max") -> dict[str, float]:
    """Average rank of each loss over the tasks, 1 being best (Demsar 2006)."""
    groups = by_task(rows)
    names = [row.name for row in next(iter(groups.values()))]
    sign = 1.0 if mode == "max" else -1.0
    table = [[sign * row.mean for row in group] for group in groups.values()]
    return dict(zip(names, map(float, average_ranks(np.array(table))), strict=True))
