"""Several losses of one method as one row."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from lightning_lossmeta.comparison.rows import Row, by_task

T = TypeVar("T")


def pooled(rows: Sequence[Row], methods: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows in which the losses that a method learned in several searches stand as one.

    What is independent in such a row are the losses, not their trainings: tests compare the means
    of the losses.

    Args:
        rows: Rows of any number of tasks.
        methods: The names of each method's losses, by the name of the method.

    Returns:
        In the place of a method's first loss a row with the scores of all, search after search,
        and the (lower) median of their learning-rate factors; rows of no method as they are.

    >>> first, second = Row("GP 1", 1.0, False, (0.5, 0.7)), Row("GP 2", 3.0, True, (0.9, 0.8))
    >>> row, = pooled([first, second], {"GP": ["GP 1", "GP 2"]})
    >>> row.name, row.factor, row.at_edge, row.scores
    ('GP', 1.0, True, (0.5, 0.7, 0.9, 0.8))
    """
    return _merged(rows, methods, _as_one)


def best_searches(rows: Sequence[Row], methods: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows in which each method has the one of its losses that validation data prefer.

    What several searches are run for in practice: as with the learning rate, and together with it,
    the mean score on the validation split decides. Tests then speak of that loss, not of the
    method.

    Args:
        rows: As for :func:`pooled`, with tuned learning rates.
        methods: As for :func:`pooled`.

    >>> first = Row("GP 1", 1.0, False, (0.5, 0.7), tuning={1.0: 0.6, 3.0: math.nan})
    >>> second = Row("GP 2", 3.0, True, (0.9, 0.8), tuning={1.0: 0.5, 3.0: 0.7})
    >>> row, = best_searches([first, second], {"GP": ["GP 1", "GP 2"]})
    >>> row.name, row.factor, row.scores
    ('GP', 3.0, (0.9, 0.8))
    """

    def best(name: str, members: Sequence[Row]) -> Row:
        return replace(max(members, key=_validated), name=name)

    return _merged(rows, methods, best)


def _merged(
    rows: Sequence[Row],
    methods: Mapping[str, Sequence[str]],
    merge: Callable[[str, Sequence[Row]], Row],
) -> list[Row]:
    """One row for each method and task, in the place of the first of its losses."""
    homes = {loss: method for method, losses in methods.items() for loss in losses}
    merged: list[Row] = []
    for group in by_task(rows).values():
        names = dict.fromkeys(homes.get(row.name, row.name) for row in group)
        for name in names:
            members = [row for row in group if homes.get(row.name, row.name) == name]
            merged.append(members[0] if name not in methods else merge(name, members))
    return merged


def _validated(row: Row) -> float:
    """The mean validation score at the learning rate that was chosen by it."""
    scores = [score for score in row.tuning.values() if math.isfinite(score)]
    return max(scores, default=-math.inf)


def _as_one(name: str, members: Sequence[Row]) -> Row:
    """One row with the scores, metrics and failures of all members, one member after the other."""
    metrics = dict.fromkeys(metric for row in members for metric in row.metrics)
    return Row(
        name,
        statistics.median_low(row.factor for row in members),
        any(row.at_edge for row in members),
        _joined(row.scores for row in members),
        task=members[0].task,
        searches=len(members),
        failures=dict(_failures(members)),
        tuning_failures=_joined(row.tuning_failures for row in members),
        metrics={
            metric: _joined(
                row.metrics.get(metric, (float("nan"),) * len(row.scores)) for row in members
            )
            for metric in metrics
        },
    )


def _failures(members: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """The failures of all members, by place among their joined scores."""
    first = 0
    for row in members:
        yield from ((first + place, message) for place, message in row.failures.items())
        first += len(row.scores)


def _joined(parts: Iterable[Sequence[T]]) -> tuple[T, ...]:
    return tuple(value for part in parts for value in part)
