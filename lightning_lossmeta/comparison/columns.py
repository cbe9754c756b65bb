"""The columns of a comparison's table, whatever it is written as."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lightning_lossmeta.callbacks.fitness.comparison_scores import CALIBRATION, CLEAN, FLIPPED
from lightning_lossmeta.comparison.compare import AT_BEST, SECONDS
from lightning_lossmeta.comparison.markup import one_line
from lightning_lossmeta.comparison.rows import Row, are_paired, deviation
from lightning_lossmeta.comparison.verdict import p_text

#: Metrics that a table shows if a row has them, and their headings.
_METRICS = {
    AT_BEST: "at best validation",
    CLEAN: "train, clean labels",
    FLIPPED: "train, flipped labels",
    CALIBRATION: "calibration error",
}


#: Characters of a message that a caption shows.
MESSAGE = 300

#: Metric: the seconds that the candidates took of the search that a loss came from.
SEARCH_SECONDS = "search_seconds"

#: Metric: 1 where a search found nothing and a default loss stands in.
NOT_LEARNED = "not_learned"


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        heading: The title above it.
        cell: Makes the text that stands in the column of a row.
    """

    heading: str
    cell: Callable[[Row], str]


def columns(rows: Sequence[Row], score: str, baseline: str) -> list[Column]:
    """The columns that a table of these rows has: a further figure has one if any row knows it.

    Args:
        rows: The rows of one task.
        score: What the scores are, e.g. ``"test accuracy"``.
        baseline: Name of the loss that the others are tested against.
    """
    shown = [
        Column("loss", lambda row: row.name),
        Column(f"{score}, mean ± std", _scores),
    ]
    shown += [
        Column(heading, lambda row, name=name: spread(row.metrics.get(name, ())))  # type: ignore[misc]
        for name, heading in _METRICS.items()
        if any(name in row.metrics for row in rows)
    ]
    if any(row.tuning for row in rows):
        shown.append(Column("lr factor", _factor))
    shown.append(Column(f"p against {baseline}", _p_value))
    if any(SECONDS in row.metrics for row in rows):
        shown.append(Column("s a fit", _fit_seconds))
    if any(SEARCH_SECONDS in row.metrics for row in rows):
        shown.append(Column("min a search", _search_minutes))
    return shown


def caption(rows: Sequence[Row], baseline: str, baseline_better: bool = False) -> str:
    """What a reader must know to read the table: counts of trainings, the test, and failures.

    Args:
        rows: The rows of one task.
        baseline: Name of the loss that the others are tested against.
        baseline_better: Whether the test asks if the baseline is better than the others.
    """
    text = f"{_counts(rows)}. {_test(rows, baseline, baseline_better)}."
    if any(row.at_edge for row in rows):
        text += " * at the edge of the grid: a wider one may do better."
    for row in rows:
        if not_learned := sum(row.metrics.get(NOT_LEARNED, ())):
            count = round(not_learned / len(row.scores) * row.searches)
            text += (
                f" {row.name}: {count} of {row.searches} searches found nothing, a default loss."
            )
    return " ".join([text, *(note for row in rows for note in _failures(row))])


def _test(rows: Sequence[Row], baseline: str, baseline_better: bool) -> str:
    """Which question the p-values answer, and by which test."""
    others = [row for row in rows if row.name != baseline]
    bases = [row for row in rows if row.name == baseline]
    pairs = [are_paired(row, base) for base in bases for row in others]
    kind = "t-test paired by seed" if any(pairs) or not pairs else "Welch's t-test"
    if any(pairs) and not all(pairs):
        kind += ", or Welch's for means of searches"
    question = f"{baseline} is better" if baseline_better else f"better than {baseline}"
    return f"p ({question}): one-tailed {kind}, with Holm's correction"


def _failures(row: Row) -> Iterator[str]:
    """Which trainings of a loss have no score, and why."""
    if row.diverged:
        yield f"{row.name}: {row.diverged} of {len(row.scores)} trainings diverged."
    if row.failures:
        first = one_line(next(iter(row.failures.values())), MESSAGE)
        yield f"{row.name}: {len(row.failures)} of {len(row.scores)} trainings failed: {first}"
    elif row.tuning_failures:
        first = one_line(row.tuning_failures[0], MESSAGE)
        count = len(row.tuning_failures)
        yield f"{row.name}: {count} trainings that choose its learning rate failed: {first}"


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
    """Mean and standard deviation over the values that are finite; empty if there is none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    text = f"{np.mean(finite):.4f}"
    if len(finite) > 1:
        text += f"\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{deviation(finite):.4f}"
    return text


def _scores(row: Row) -> str:
    """Mean and deviation of the scores, with the counts of trainings that have none."""
    missing = {"failed": len(row.failures), "diverged": row.diverged}
    for word, count in missing.items():
        if count == len(row.scores):
            return word
    counts = ", ".join(f"{count} {word}" for word, count in missing.items() if count)
    text = spread(row.scores)
    return f"{text} ({counts})".strip() if counts else text


def _factor(row: Row) -> str:
    return f"{row.factor:g}{' *' if row.at_edge else ''}"


def _fit_seconds(row: Row) -> str:
    return f"{np.mean(row.metrics.get(SECONDS, (0.0,))):.1f}"


def _search_minutes(row: Row) -> str:
    return f"{np.mean(row.metrics.get(SEARCH_SECONDS, (0.0,))) / 60:.1f}"


def _p_value(row: Row) -> str:
    return "" if math.isnan(row.p_value) else p_text(row.p_value)
