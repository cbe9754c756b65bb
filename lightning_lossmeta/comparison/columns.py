"""The columns of a comparison's table, whatever it is written as."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lightning_lossmeta.callbacks.fitness.comparison_scores import CALIBRATION, CLEAN, FLIPPED
from lightning_lossmeta.comparison.compare import AT_BEST, SECONDS
from lightning_lossmeta.comparison.rows import Row, deviation

#: Metrics that a table shows if a row has them, and their headings.
_METRICS = {
    AT_BEST: "at best validation",
    CLEAN: "train, clean labels",
    FLIPPED: "train, flipped labels",
    CALIBRATION: "calibration error",
}


#: Seconds of the candidates of the search that a loss came from.
SEARCH_SECONDS = "search_seconds"

#: One where a search found nothing and a usual loss stands in.
NOT_LEARNED = "not_learned"


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        heading: Its title.
        cell: The text of a row.
    """

    heading: str
    cell: Callable[[Row], str]


def columns(rows: Sequence[Row], score: str, baseline: str) -> list[Column]:
    """What is known of these rows.

    Args:
        rows: Of one task.
        score: What the scores are.
        baseline: Name of the loss that the others are tested against.
    """
    found = [
        Column("loss", lambda row: row.name),
        Column(f"{score}, mean ± std", lambda row: spread(row.scores)),
    ]
    found += [
        Column(heading, lambda row, name=name: spread(row.metrics.get(name, ())))  # type: ignore[misc]
        for name, heading in _METRICS.items()
        if any(name in row.metrics for row in rows)
    ]
    if any(row.tuning for row in rows):
        found.append(Column("lr factor", _factor))
    found.append(Column(f"p against {baseline}", _p_value))
    if any(SECONDS in row.metrics for row in rows):
        found.append(Column("s a fit", lambda row: f"{np.mean(row.metrics[SECONDS]):.1f}"))
    if any(SEARCH_SECONDS in row.metrics for row in rows):
        found.append(Column("min a search", _search_minutes))
    return found


def caption(rows: Sequence[Row], one_tailed: bool) -> str:
    """What a reader must know to read the table."""
    tails = "one-tailed, with Holm's correction" if one_tailed else "two-sided"
    text = f"{_counts(rows)}; Welch's t-test, {tails}."
    if any(row.at_edge for row in rows):
        text += " * at the edge of the grid: a wider one may do better."
    for row in rows:
        if usual := sum(row.metrics.get(NOT_LEARNED, ())):
            count = round(usual / len(row.scores) * row.searches)
            text += f" {row.name}: {count} of {row.searches} searches found nothing, a usual loss."
    if lost := sum(not math.isfinite(score) for row in rows for score in row.scores):
        text += f" {lost} trainings diverged and have no score."
    return text


def _counts(rows: Sequence[Row]) -> str:
    """How many trainings a row stands for."""
    least, most = min(len(row.scores) for row in rows), max(len(row.scores) for row in rows)
    if least == most:
        return f"{least} seeds"
    searches = max(row.searches for row in rows)
    return (
        f"{least} seeds, for methods {searches} searches of {most // searches} seeds, tested by "
        "the means of the searches"
    )


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over the values that are finite, with the count of others."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "diverged" if values else ""
    text = f"{np.mean(finite):.4f}"
    if len(finite) > 1:
        text += f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{deviation(finite):.4f}"
    missing = len(values) - len(finite)
    return f"{text} ({missing} diverged)" if missing else text


def _factor(row: Row) -> str:
    return f"{row.factor:g}{' *' if row.at_edge else ''}"


def _search_minutes(row: Row) -> str:
    return f"{np.mean(row.metrics.get(SEARCH_SECONDS, (0.0,))) / 60:.1f}"


def _p_value(row: Row) -> str:
    return "" if math.isnan(row.p_value) else f"{row.p_value:.2g}"
