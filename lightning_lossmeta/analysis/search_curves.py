"""The picture of searches: best score so far against generation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lightning_lossmeta.analysis.style import legend_below, lines, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


def search_figure(curves: Mapping[str, npt.ArrayLike], y_label: str) -> Figure:
    """Best score so far against generation: mean over a method's runs, band of one deviation.

    The deviation is that with n - 1; one run has no band. A line begins where all runs of the
    method have a score.

    Args:
        curves: Scores by method, ``(generations, runs)``, NaN where a run has none yet; methods may
            differ in both sizes.
        y_label: What the score is, for its axis.

    Raises:
        ValueError: If there is no method, or a shape is another.

    Source: figure 4 of Raymond et al. (2024).
    """
    from matplotlib.ticker import MaxNLocator

    tables = _checked(curves)
    figure = new_figure(7.5, 4.5, "Search for a loss")
    axes = figure.subplots()
    for (name, table), line in zip(tables.items(), lines(list(tables)), strict=True):
        x, mean = 1 + np.arange(len(table)), table.mean(axis=1)
        if table.shape[1] > 1:
            std = table.std(axis=1, ddof=1)
            axes.fill_between(x, mean - std, mean + std, color=line.color, alpha=0.2, linewidth=0)
        marker = "o" if np.isfinite(mean).sum() == 1 else ""  # a line needs two points
        axes.plot(x, mean, label=name, marker=marker, **line._asdict())
    tidy(axes, "", "generation")
    axes.set_title(_note(tables), fontsize=8, color="#606060")
    axes.set_ylabel(y_label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(figure, axes)
    return figure


def _checked(curves: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    if not curves:
        raise ValueError("Expected argument `curves` to hold at least one method, got none.")
    tables = {name: np.asarray(table, dtype=np.float64) for name, table in curves.items()}
    for name, table in tables.items():
        if table.ndim != 2 or not table.size:
            raise ValueError(
                "Expected argument `curves` to hold tables of shape (generations, runs), got "
                f"{table.shape} for {name!r}."
            )
    return tables


def _note(tables: Mapping[str, Array]) -> str:
    runs = sorted({table.shape[1] for table in tables.values()})
    if runs[-1] == 1:
        return "one run"
    count = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    return f"mean and standard deviation of {count} runs"
