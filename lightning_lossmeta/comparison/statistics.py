"""Whether losses differ by more than chance: tests, average ranks, critical differences."""

from __future__ import annotations

import math
import warnings
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import stats

from lightning_lossmeta._validation import check_at_least

Alternative = Literal["greater", "less", "two-sided"]
Array = npt.NDArray[np.float64]

#: What rounding can make of the difference of two numbers of at most one.
_ROUNDING = 16 * float(np.finfo(np.float64).eps)


def paired(
    better: npt.ArrayLike, baseline: npt.ArrayLike, alternative: Alternative = "greater"
) -> float:
    """P-value of the paired t-test: is the mean of the differences greater than zero?

    For scores that share seeds: initial weights and batches that are hard for both losses cancel
    in ``d = better - baseline``, with ``t = mean(d) / (std(d) / sqrt(n))`` and n - 1 degrees of
    freedom. Scores that are not finite, or too few, or constant differences are judged as by
    :func:`welch`.

    Args:
        better: Scores of one loss ``(n,)``, one a seed.
        baseline: Scores of the other ``(n,)``, of the same seeds.
        alternative: What the first mean is, by hypothesis, beside the second.

    Returns:
        p, or NaN if a sample holds fewer than two scores.

    Raises:
        ValueError: If a sample is not one-dimensional, or they are not of one length, or there is
            no such alternative.

    >>> round(paired([0.93, 0.95, 0.97], [0.90, 0.93, 0.93]), 4)
    0.0175
    """
    first, second = _two_samples(better, baseline, alternative)
    if len(first) != len(second):
        raise ValueError(
            f"Expected arguments `better` and `baseline` to be of one length, got {len(first)} and "
            f"{len(second)}."
        )
    if not _testable(first, second):
        return math.nan
    first, second = _scaled(first, second)
    differences = first - second
    if np.ptp(differences) <= _ROUNDING:
        return _limit(differences.mean(), alternative)
    return float(stats.ttest_rel(first, second, alternative=alternative).pvalue)


def welch(
    better: npt.ArrayLike, baseline: npt.ArrayLike, alternative: Alternative = "greater"
) -> float:
    """P-value of Welch's t-test: is the mean of a sample greater than the baseline's?

    A score that is not finite makes the result NaN: without its diverged seeds a loss would look
    better than it is. If neither sample varies, t is a limit: 0 where the means differ as
    ``alternative`` says, 1 where they don't.

    Args:
        better: Scores of one loss ``(n,)``, one a seed.
        baseline: Scores of the other ``(m,)``; n and m may differ.
        alternative: What the first mean is, by hypothesis, beside the second.

    Returns:
        p, or NaN if a sample holds fewer than two scores.

    Raises:
        ValueError: If a sample is not one-dimensional, or there is no such alternative.

    Source: Welch (1947); table 1 of Gonzalez & Miikkulainen (2021) is made with it.

    >>> round(welch([0.93, 0.95, 0.94], [0.90, 0.92, 0.91]), 4)
    0.0107
    """
    first, second = _two_samples(better, baseline, alternative)
    if not _testable(first, second):
        return math.nan
    first, second = _scaled(first, second)
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return _limit(first[0] - second[0], alternative)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of the sample that does not vary
        test = stats.ttest_ind(first, second, equal_var=False, alternative=alternative)
    return float(test.pvalue)


def holm(p_values: npt.ArrayLike) -> Array:
    """P-values of several tests, adjusted so that one false alarm among them all is as rare.

    With the m values in rising order ::

        p'_i = min(1, max_{j <= i} (m - j + 1) p_j)

    Args:
        p_values: ``(K,)``. NaN, a test that was not made, stays NaN and does not count in m.

    Returns:
        ``(K,)`` in the order given.

    Raises:
        ValueError: If a value lies outside [0, 1].

    Source: Holm (1979).

    >>> holm([0.04, 0.01, float("nan"), 0.03])
    array([0.06, 0.03,  nan, 0.06])
    """
    p = _sample("p_values", p_values)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"Expected argument `p_values` to hold numbers in [0, 1], got {p}.")
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN is sorted last
    adjusted = p.copy()
    steps = np.arange(len(order), 0, -1) * p[order]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def average_ranks(scores: npt.ArrayLike) -> Array:
    """Each loss's rank, averaged over tasks: 1 is the best.

    Losses that tie share the mean of their ranks. NaN, a training that diverged, and minus infinity
    are the worst.

    Args:
        scores: ``(tasks, losses)``, higher is better.

    Returns:
        ``(losses,)``.

    Raises:
        ValueError: If it is no table of at least one task and two losses.

    Source: section 3.2.2 of Demsar (2006).

    >>> average_ranks([[0.9, 0.8, 0.8], [0.7, 0.9, float("nan")]])
    array([1.5 , 1.75, 2.75])
    """
    averages: Array = _ranks(scores).mean(axis=0)
    return averages


def friedman(scores: npt.ArrayLike) -> float:
    """P-value of Friedman's test that all losses rank alike, with the correction for ties.

    With r_ij the rank of loss j on task i, of k losses and N tasks ::

        chi2 = (k - 1) sum_j (sum_i r_ij - N (k+1)/2)^2 / (sum_ij r_ij^2 - N k (k+1)^2 / 4)

    held against the chi-squared distribution of k - 1 degrees of freedom, which is rough for fewer
    than about ten tasks. It is scipy's ``friedmanchisquare``, but for two losses too, with NaN as
    the worst score, and 1 where every task is a tie.

    Args:
        scores: ``(tasks, losses)``, higher is better.

    Raises:
        ValueError: If it is no table of at least one task and two losses.
    """
    ranks = _ranks(scores)
    tasks, losses = ranks.shape
    spread = (ranks**2).sum() - tasks * losses * (losses + 1) ** 2 / 4
    if spread == 0:
        return 1.0
    between = ((ranks.sum(axis=0) - tasks * (losses + 1) / 2) ** 2).sum()
    return float(stats.chi2.sf((losses - 1) * between / spread, losses - 1))


def critical_difference(losses: int, tasks: int, alpha: float = 0.05) -> float:
    """How far two losses' average ranks must lie apart to differ, by the test of Nemenyi.

    With q the studentised range of k losses and infinite degrees of freedom ::

        CD = q_alpha / sqrt(2) * sqrt(k (k+1) / (6 N))

    Args:
        losses: k, at least 2.
        tasks: N, at least 1.
        alpha: Level, between 0 and 1.

    Raises:
        ValueError: If a number is too small, or the level is none.

    Source: section 3.2.2 of Demsar (2006).

    >>> round(critical_difference(losses=4, tasks=14), 2)
    1.25
    """
    check_at_least(2, losses=losses)
    check_at_least(1, tasks=tasks)
    if not 0 < alpha < 1:
        raise ValueError(f"Expected argument `alpha` to be in (0, 1), got {alpha}.")
    q = stats.studentized_range.isf(alpha, losses, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(losses * (losses + 1) / (6 * tasks)))


def cliques(ranks: npt.ArrayLike, cd: float) -> list[tuple[int, ...]]:
    """The largest groups of losses of which no two differ by the critical difference.

    Args:
        ranks: Average ranks ``(losses,)``.
        cd: Of :func:`critical_difference`; ranks that lie as far apart as this do differ.

    Returns:
        Groups of at least two, none within another, each from its best rank to its worst, as
        indices into ``ranks``; the group of the best loss first.

    Raises:
        ValueError: If a rank is not finite, or ``cd`` is not positive.

    >>> cliques([3.143, 2.000, 2.893, 1.964], cd=1.0)
    [(3, 1, 2), (2, 0)]
    """
    values = _sample("ranks", ranks)
    if not np.isfinite(values).all():
        raise ValueError(f"Expected argument `ranks` to hold finite numbers, got {values}.")
    if not cd > 0:
        raise ValueError(f"Expected argument `cd` to be positive, got {cd}.")
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    groups, reached = [], 0
    for first in range(len(order)):
        end = int(np.searchsorted(ordered - ordered[first], cd))
        if end - first > 1 and end > reached:
            groups.append(tuple(order[first:end].tolist()))
        reached = max(reached, end)
    return groups


def _ranks(scores: npt.ArrayLike) -> Array:
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise ValueError(
            "Expected argument `scores` to be of shape (tasks, losses) with at least one task and "
            f"two losses, got {table.shape}."
        )
    ranks: Array = stats.rankdata(-np.where(np.isnan(table), -np.inf, table), axis=1)
    return ranks


def _two_samples(
    better: npt.ArrayLike, baseline: npt.ArrayLike, alternative: Alternative
) -> tuple[Array, Array]:
    if alternative not in get_args(Alternative):
        raise ValueError(
            "Expected argument `alternative` to be one of "
            f"{', '.join(get_args(Alternative))}, got {alternative!r}."
        )
    return _sample("better", better), _sample("baseline", baseline)


def _testable(first: Array, second: Array) -> bool:
    return min(len(first), len(second)) >= 2 and bool(np.isfinite([*first, *second]).all())


def _scaled(first: Array, second: Array) -> tuple[Array, Array]:
    """Numbers of at most one: t does not depend on the scale, but squares of 1e200 overflow."""
    scale = float(max(np.abs(first).max(), np.abs(second).max())) or 1.0
    return first / scale, second / scale


def _limit(difference: float, alternative: Alternative) -> float:
    """P-value of samples without any spread."""
    size = difference if abs(difference) > _ROUNDING else 0.0
    differ = {"greater": size > 0, "less": size < 0, "two-sided": size != 0}
    return 0.0 if differ[alternative] else 1.0


def _sample(name: str, values: npt.ArrayLike) -> Array:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise ValueError(
            f"Expected argument `{name}` to be one-dimensional, got shape {sample.shape}."
        )
    return sample
