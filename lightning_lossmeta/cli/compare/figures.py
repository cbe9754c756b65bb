"""The pictures of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lightning_lossmeta.cli.compare.tasks import Sweep, SweepPoint
from lightning_lossmeta.comparison import Report
from lightning_lossmeta.comparison.rows import Row, by_task, ranks
from lightning_lossmeta.comparison.statistics import cliques, critical_difference, friedman

#: The critical-difference diagram needs ranks on more than one task. The values of a sweep are no
#: independent tasks: a test over them would find differences too easily.
FEWEST_TASKS = 2

#: Errors that are this many times others are drawn on a logarithmic axis.
FAR_APART = 30.0


def draw_figures(
    report: Report,
    places: Mapping[str, SweepPoint],
    sweep: Sweep | None,
    directory: Path,
    chance: float | None = None,
) -> list[Path]:
    """Draw what the comparison allows: a critical-difference diagram, and curves of a sweep.

    Args:
        report: The comparison.
        places: Where each task stands in the sweep, by its name.
        sweep: The setting for whose values tasks are repeated, if there is one.
        directory: Gets ``critical_difference.png`` or ``sweep.png``.
        chance: The score of guessing, if it is known.

    Returns:
        The files that were written.
    """
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.critical_difference import critical_difference_figure
    from lightning_lossmeta.analysis.sweep_figure import sweep_figure

    files = []
    names = list(dict.fromkeys(row.name for row in report.rows))
    if sweep is None and len(places) >= FEWEST_TASKS and len(names) > 1:
        averages = list(ranks(report.rows, report.mode).values())
        least = critical_difference(len(names), len(places))
        title = f"Average rank over {len(places)} tasks (Friedman's p {_friedman(report):.2g})"
        figure = critical_difference_figure(names, averages, least, cliques(averages, least), title)
        files.append(save_figure(figure, directory / "critical_difference.png"))
    values = sorted({place.value for place in places.values() if place.value is not None})
    if sweep is not None and len(values) > 1:
        curves = {
            group: _curves([r for r in report.rows if places[r.task].group == group], places)
            for group in dict.fromkeys(place.group for place in places.values())
        }
        only = next(iter(curves.values()))
        figure = sweep_figure(
            values,
            only if len(curves) == 1 else curves,
            sweep.label,
            report.score,
            chance=chance,
            log=_far_apart(report),
        )
        files.append(save_figure(figure, directory / "sweep.png"))
    return files


def _far_apart(report: Report) -> bool:
    """Whether there are errors of which some have all but diverged."""
    scores = [score for row in report.rows for score in row.scores if math.isfinite(score)]
    wide = bool(scores) and min(scores) > 0 and max(scores) > FAR_APART * min(scores)
    return report.mode == "min" and wide


def _friedman(report: Report) -> float:
    sign = 1.0 if report.mode == "max" else -1.0
    return friedman([[sign * row.mean for row in rows] for rows in by_task(report.rows).values()])


def _curves(rows: list[Row], places: Mapping[str, SweepPoint]) -> dict[str, np.ndarray]:
    """Scores of each loss, (values, seeds), values rising."""
    by_loss: dict[str, dict[float, tuple[float, ...]]] = {}
    for row in rows:
        value = places[row.task].value
        if value is not None:
            by_loss.setdefault(row.name, {})[value] = row.scores
    return {
        name: np.array([by_value[value] for value in sorted(by_value)])
        for name, by_value in by_loss.items()
    }
