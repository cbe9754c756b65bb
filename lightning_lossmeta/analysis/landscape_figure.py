"""Pictures of landscapes: curves along a direction with bands, and maps of a plane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lightning_lossmeta.analysis.landscape import ACCURACY, CROSS_ENTROPY, OWN_LOSS
from lightning_lossmeta.analysis.style import Line, legend_below, lines, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_NAMES = {
    ACCURACY: "accuracy",
    CROSS_ENTROPY: "cross-entropy",
    OWN_LOSS: "own loss, 0 to 1",
}
_STEP = "along a filter-normalised direction"
_COLUMNS = 4


def landscape_figure(
    alphas: npt.ArrayLike,
    curves: Mapping[str, Mapping[str, Mapping[str, Array]]],
    title: str,
    note: str = "",
) -> Figure:
    """Accuracy, cross-entropy and own loss along a direction, a row a part of the data.

    A line is the mean over networks, its band one standard deviation of them to each side; a
    network whose loss is not finite at a point is left out there. Own losses have units of their
    own, so that each network's is drawn from its least (0) to its greatest (1).

    Args:
        alphas: The points, (P,).
        curves: By part of the data and name of the loss the figures, each (S, P), a row a network.
        title: Stands above.
        note: Stands below the title, e.g. what was done about statistics.

    Raises:
        ValueError: If there is no loss, or a curve has another shape.

    Source: figure 4 of Gonzalez & Miikkulainen (2021), figure 7 of Raymond et al. (2024).
    """
    x = np.asarray(alphas, dtype=np.float64)
    names = list(dict.fromkeys(name for part in curves.values() for name in part))
    if not names:
        raise ValueError("Expected argument `curves` to hold at least one loss, got none.")
    shown = [
        key
        for key in _NAMES
        if any(key in figures for part in curves.values() for figures in part.values())
    ]
    figure = new_figure(max(3.4 * len(shown), 5.0), 3.0 * len(curves) + 1.2, f"{title}\n{note}")
    grid = figure.subplots(len(curves), len(shown), squeeze=False, sharex=True)
    styles = dict(zip(names, lines(names), strict=True))
    for number, (part, losses) in enumerate(curves.items()):
        row, last = grid[number], number == len(curves) - 1
        for axes, key in zip(row, shown, strict=True):
            for name, figures in losses.items():
                if key in figures:
                    _draw(axes, x, figures[key], name, styles[name], key == OWN_LOSS)
            tidy(axes, f"{_NAMES[key]}, {part}", _STEP if last else "")
            axes.axvline(0, color="#999999", linewidth=1, zorder=0)
    legend_below(figure, grid[0, 0])
    return figure


def _draw(axes: Axes, x: Array, values: Array, name: str, style: Line, scaled: bool) -> None:
    if values.ndim != 2 or values.shape[1] != len(x):
        raise ValueError(
            f"Expected one value of '{name}' a network and point, {len(x)} points, got shape "
            f"{values.shape}."
        )
    table = np.where(np.isfinite(values), values, np.nan)
    if scaled:
        table = np.stack([_from_least_to_greatest(row) for row in table])
    known = np.isfinite(table).any(axis=0)
    mean, std = np.full(len(x), np.nan), np.full(len(x), np.nan)
    mean[known] = np.nanmean(table[:, known], axis=0)
    several = np.isfinite(table).sum(axis=0) > 1
    std[several] = np.nanstd(table[:, several], axis=0, ddof=1)
    axes.plot(x, mean, label=name, **style._asdict())
    axes.fill_between(x, mean - std, mean + std, color=style.color, alpha=0.12, linewidth=0)


def _from_least_to_greatest(row: Array) -> Array:
    finite = row[np.isfinite(row)]
    if not len(finite):
        return row
    least, span = finite.min(), np.ptp(finite)
    return (row - least) / span if span > 0 else np.zeros_like(row)


def plane_figure(
    alphas: npt.ArrayLike, planes: Mapping[str, Array], title: str, what: str = "accuracy"
) -> Figure:
    """Contours over a plane of two directions, a panel a loss, all on one scale.

    Args:
        alphas: The points along either direction, (P,).
        planes: By name of the loss (P, P), a row a point along the first direction; means over
            networks.
        title: Stands above.
        what: What is drawn.

    Raises:
        ValueError: If there is no loss, a plane has another shape, or none holds a finite number.
    """
    x = np.asarray(alphas, dtype=np.float64)
    for name, plane in planes.items():
        if plane.shape != (len(x), len(x)):
            raise ValueError(
                f"Expected the plane of '{name}' to be of shape {(len(x), len(x))}, got "
                f"{plane.shape}."
            )
    finite = [plane[np.isfinite(plane)] for plane in planes.values()]
    values = np.concatenate(finite) if finite else np.zeros(0)
    if not len(values):
        raise ValueError("Expected argument `planes` to hold at least one finite plane, got none.")
    low, high = float(values.min()), float(values.max())
    levels = np.linspace(low, high if high > low else low + 1, 13)
    columns = min(len(planes), _COLUMNS)
    rows = math.ceil(len(planes) / columns)
    figure = new_figure(max(3.0 * columns + 0.8, 4.5), 2.9 * rows + 0.7, title)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in grid[len(planes) :]:
        axes.set_visible(False)
    for axes, (name, plane) in zip(grid, planes.items(), strict=False):
        drawn = np.ma.masked_invalid(plane.T)
        filled = axes.contourf(x, x, drawn, levels=levels, cmap="viridis", extend="neither")
        axes.contour(x, x, drawn, levels=levels, colors="white", linewidths=0.4)
        axes.plot(0, 0, "+", color="black", markersize=8)
        tidy(axes, name, "first direction")
        axes.set_aspect("equal")
    for axes in grid[: len(planes) : columns]:
        axes.set_ylabel("second direction")
    figure.colorbar(filled, ax=list(grid[: len(planes)]), label=what, shrink=0.8)
    return figure
