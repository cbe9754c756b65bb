"""The results of a comparison, and what is reckoned from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lightning_lossmeta.comparison.statistics import (
    Alternative,
    average_ranks,
    holm,
    paired,
    welch,
)


@dataclass(frozen=True)
class Row:
    """One loss's result on one task.

    Args:
        name: Name of the loss.
        factor: Its best learning-rate factor on the validation split.
        at_edge: Whether that is the least or largest of the grid.
        scores: Scores on the test split at the end of training, one a seed; NaN where training
            diverged.
        p_value: P-value of the test against the baseline; NaN for the baseline, and where scores
            are missing.
        tuning: Mean validation score by factor.
        task: Name of the task.
        metrics: Further figures by name, one a seed, NaN where there is none.
        searches: How many losses the scores are of, one after the other.
        failures: By place of a score what its training failed with; where a score that is not
            finite has no entry, the training diverged.
        tuning_failures: What trainings that choose the learning rate failed with.
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
    failures: Mapping[int, str] = field(default_factory=dict)
    tuning_failures: Sequence[str] = ()

    @property
    def diverged(self) -> int:
        """How many trainings ended without a score, but also without an error."""
        return sum(not math.isfinite(score) for score in self.scores) - len(self.failures)

    @property
    def samples(self) -> tuple[float, ...]:
        """What is independent: the trainings of one loss, or the means of several losses."""
        if self.searches == 1:
            return self.scores
        parts = np.split(np.array(self.scores), self.searches)
        return tuple(float(np.mean(part)) for part in parts)

    @property
    def mean(self) -> float:
        """The mean of the scores over the seeds."""
        return float(np.mean(self.scores))

    @property
    def std(self) -> float:
        """The standard deviation of the scores over the seeds, with n - 1."""
        return deviation(self.scores)


class ComparisonError(RuntimeError):
    """No training of a comparison came to an end; says what the first one failed with."""


def refuse_if_all_failed(rows: Sequence[Row]) -> None:
    """Refuse a comparison of which every training failed, which is no loss's fault.

    Raises:
        ComparisonError: If no row has a training that did not fail.
    """
    if rows and all(len(row.failures) == len(row.scores) for row in rows):
        message = next(iter(rows[0].failures.values()))
        raise ComparisonError(
            f"Every training of the comparison failed, the first ('{rows[0].name}' on "
            f"'{rows[0].task}') with: {message}"
        )


def deviation(values: Sequence[float]) -> float:
    """Standard deviation with n - 1; NaN for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def by_task(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each task, in order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.task, []).append(row)
    return groups


def with_p_values(
    rows: Sequence[Row], baseline: str, mode: str = "max", baseline_better: bool = False
) -> list[Row]:
    """Rows with the p-values of their task's one-tailed t-tests, corrected by Holm's method.

    Losses share their seeds, so that tests are paired. A method that learned several losses has
    their means for a sample, which pair with nothing: there the test is Welch's.

    Args:
        rows: Rows of any number of tasks.
        baseline: Name of the loss that each of the others is held against.
        mode: Whether the most (``"max"``) or the least (``"min"``) is the best.
        baseline_better: Ask whether the baseline is better than each of the others, not whether
            each of them is better than the baseline.

    Raises:
        ValueError: If there is no loss of that name.
    """
    names = list(dict.fromkeys(row.name for row in rows))
    if baseline not in names:
        raise ValueError(f"Expected argument `baseline` to be one of {names}, got {baseline!r}.")
    greater = (mode == "max") != baseline_better
    tested: list[Row] = []
    for group in by_task(rows).values():
        (base,) = (row for row in group if row.name == baseline)
        others = [row for row in group if row is not base]
        values = holm([_p_value(row, base, "greater" if greater else "less") for row in others])
        p_values = {row.name: float(p) for row, p in zip(others, values, strict=True)}
        tested += [replace(row, p_value=p_values.get(row.name, math.nan)) for row in group]
    return tested


def are_paired(one: Row, other: Row) -> bool:
    """Whether two rows' samples come of the same seeds, one by one."""
    return one.searches == other.searches == 1 and len(one.scores) == len(other.scores)


def _p_value(row: Row, base: Row, alternative: Alternative) -> float:
    test = paired if are_paired(row, base) else welch
    return test(row.samples, base.samples, alternative)


def ranks(rows: Sequence[Row], mode: str = "max") -> dict[str, float]:
    """Average rank of each loss over the tasks, 1 being best (Demsar 2006)."""
    groups = by_task(rows)
    names = [row.name for row in next(iter(groups.values()))]
    sign = 1.0 if mode == "max" else -1.0
    table = [[sign * row.mean for row in group] for group in groups.values()]
    return dict(zip(names, map(float, average_ranks(np.array(table))), strict=True))
