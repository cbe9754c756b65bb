"""The picture of losses' scores against a setting that is swept, such as the label noise rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from lightning_lossmeta.analysis.style import Line, lines, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]
Curves = Mapping[str, npt.ArrayLike]
Style = tuple[Line, str]

_MARKERS = "osD^vPX*<>hd"
# Most lines, and letters of a name, for labels at the ends.
_DIRECT, _LONGEST = 8, 32
_COLUMNS = 3

#: A setting whose largest value is this many times its least is drawn on a logarithmic axis.
_WIDE = 100.0
_FONT = 9


def sweep_figure(
    x: npt.ArrayLike,
    curves: Curves | Mapping[str, Curves],
    x_label: str,
    y_label: str,
    title: str | None = None,
    chance: float | Mapping[str, float] | None = None,
    log: bool = False,
) -> Figure:
    """Mean score of each loss with a band of one standard deviation, against a swept setting.

    Mean and deviation (with n - 1) are those of the seeds that did not diverge; where one did, the
    marker is hollow, and where all did, the line has a gap. Lines differ in marker, dash and colour
    and are labelled at their ends; with several tasks or more than eight losses in a legend.

    Args:
        x: Values of the setting ``(V,)``, rising.
        curves: Scores by loss, ``(V, seeds)`` each, NaN where training diverged; or by task and
            loss, for a panel a task on one scale.
        x_label: What the setting is, for its axis.
        y_label: What the score is, for its axis.
        title: Title of the figure.
        chance: Score of guessing, drawn as a line; the same for all tasks, or by task.
        log: Whether scores are on a logarithmic axis.

    Raises:
        ValueError: If there is no curve, its shape is another, or ``x`` does not rise.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not (np.diff(values) > 0).all():
        raise ValueError(
            f"Expected argument `x` to hold at least two rising numbers, got {values.tolist()}."
        )
    tasks = _by_task(curves, len(values))
    names = list(dict.fromkeys(name for scores in tasks.values() for name in scores))
    styles: dict[str, Style] = {
        name: (line, _MARKERS[index % len(_MARKERS)])
        for index, (name, line) in enumerate(zip(names, lines(names), strict=True))
    }
    columns = min(len(tasks), _COLUMNS)
    rows = math.ceil(len(tasks) / columns)
    width, height = (7.5, 4.5) if len(tasks) == 1 else (max(3.0 * columns, 7.5), 2.9 * rows + 0.9)
    figure = new_figure(width, height, title or "")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in grid[len(tasks) :]:
        axes.set_visible(False)
    for axes, (task, scores) in zip(grid, tasks.items(), strict=False):
        for name, table in scores.items():
            _draw(axes, values, table, name, styles[name])
        tidy(axes, task, x_label)
        _ticks(axes, values)
        if log:
            axes.set_yscale("log")
        level = chance.get(task) if isinstance(chance, Mapping) else chance
        if level is not None:
            _mark_chance(axes, level)
    for axes in grid[: len(tasks) : columns]:
        axes.set_ylabel(y_label)
    if len(tasks) == 1 and len(names) <= _DIRECT and len(max(names, key=len)) <= _LONGEST:
        figure.supxlabel(_note(tasks), fontsize=8, color="#606060")
        _label_ends(figure, grid[0], values, next(iter(tasks.values())), styles)
    else:
        _legend(figure, grid[: len(tasks)], _note(tasks))
    return figure


def _by_task(curves: Curves | Mapping[str, Curves], length: int) -> dict[str, dict[str, Array]]:
    """Scores by task and loss as arrays; a lone task has no name."""
    nested = bool(curves) and all(isinstance(part, Mapping) for part in curves.values())
    tasks: Mapping[str, Curves] = curves if nested else {"": curves}  # type: ignore[assignment,dict-item]
    tables = {
        task: {name: np.asarray(table, dtype=np.float64) for name, table in scores.items()}
        for task, scores in tasks.items()
    }
    for scores in tables.values():
        if not scores:
            raise ValueError("Expected argument `curves` to hold at least one loss, got none.")
        for name, table in scores.items():
            if table.ndim != 2 or len(table) != length or not table.shape[1]:
                raise ValueError(
                    f"Expected argument `curves` to hold tables of shape ({length}, seeds), got "
                    f"{table.shape} for {name!r}."
                )
    return tables


def _summary(table: Array) -> tuple[Array, Array]:
    """Mean and standard deviation over the finite seeds; NaN where there are none, or not two."""
    counts = np.isfinite(table).sum(axis=1)
    masked = np.where(np.isfinite(table), table, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = masked.sum(axis=1) / counts
        squares = np.where(np.isfinite(table), table - mean[:, None], 0) ** 2
        std = np.sqrt(squares.sum(axis=1) / np.where(counts > 1, counts - 1, math.nan))
    return mean, std


def _draw(axes: Axes, x: Array, table: Array, name: str, style: Style) -> None:
    line, marker = style
    mean, std = _summary(table)
    axes.fill_between(x, mean - std, mean + std, color=line.color, alpha=0.2, linewidth=0)
    axes.plot(x, mean, label=name, marker=marker, markersize=5.5, **line._asdict())
    diverged = ~np.isfinite(table).all(axis=1)
    axes.plot(
        x[diverged],
        mean[diverged],
        linestyle="none",
        marker=marker,
        markersize=5.5,
        color=line.color,
        markerfacecolor="white",
        zorder=3,
    )


def _ticks(axes: Axes, x: Array) -> None:
    """Put ticks at the values themselves, where they leave room for their numbers.

    Values that are spread as learning rates are get a logarithmic axis.
    """
    if x[0] > 0 and x[-1] >= _WIDE * x[0]:
        axes.set_xscale("log")
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.minorticks_off()
        return
    span = x[-1] - x[0]
    axes.set_xlim(x[0] - 0.03 * span, x[-1] + 0.03 * span)
    if np.diff(x).min() > span / 12:
        axes.set_xticks(x, [f"{value:g}" for value in x])


def _mark_chance(axes: Axes, level: float) -> None:
    axes.axhline(level, color="#808080", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        "chance",
        (0, level),
        xycoords=axes.get_yaxis_transform(),
        xytext=(4, 3),
        textcoords="offset points",
        color="#606060",
        fontsize=8,
    )


def _note(tasks: Mapping[str, Mapping[str, Array]]) -> str:
    tables = [table for scores in tasks.values() for table in scores.values()]
    seeds = sorted({table.shape[1] for table in tables})
    if seeds[-1] == 1:
        return "one seed"
    count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    hollow = "" if all(np.isfinite(table).all() for table in tables) else "; hollow: some diverged"
    return f"mean and standard deviation of {count} seeds{hollow}"


def _legend(figure: Figure, panels: Iterable[Axes], note: str) -> None:
    """One legend for all panels, which may hold different losses."""
    handle_of = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        handle_of.update(dict(zip(labels, handles, strict=True)))
    fitting = int(figure.get_figwidth() / (0.8 + 0.085 * len(max(handle_of, key=len))))
    rows = math.ceil(len(handle_of) / min(max(fitting, 1), 4))
    legend = figure.legend(
        list(handle_of.values()),
        list(handle_of),
        loc="outside lower center",
        ncols=math.ceil(len(handle_of) / rows),
        frameon=False,
        fontsize=_FONT,
        handlelength=3,
        title=note,
        title_fontsize=8,
    )
    legend.get_title().set_color("#606060")


def _label_ends(
    figure: Figure, axes: Axes, x: Array, scores: Mapping[str, Array], styles: Mapping[str, Style]
) -> None:
    """The name of each line right of its end, moved up or down where names would overlap."""
    figure.draw_without_rendering()  # settles the panel's height
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = {name: _end(x, _summary(table)[0]) for name, table in scores.items()}
    end_heights = {name: to_axes.transform(end)[1] if end else 0.0 for name, end in ends.items()}
    gap = 1.4 * _FONT / 72 * figure.dpi / axes.bbox.height
    order = sorted(end_heights, key=lambda name: end_heights[name])
    heights = _apart([end_heights[name] for name in order], gap)
    for name, height in zip(order, heights, strict=True):
        (line, marker), end = styles[name], ends[name]
        if end and end[0] == x[-1]:
            words, leader = name, {"arrowstyle": "-", "color": line.color, "linewidth": 0.8}
            axes.annotate("", end, (1.06, height), textcoords="axes fraction", arrowprops=leader)
        else:
            words = f"{name} (diverged{f' beyond {end[0]:g}' if end else ''})"
        axes.plot(1.06, height, marker, color=line.color, transform=axes.transAxes, clip_on=False)
        axes.text(1.085, height, words, transform=axes.transAxes, va="center", fontsize=_FONT)


def _end(x: Array, mean: Array) -> tuple[float, float] | None:
    """The last point of a line, if it has one."""
    finite = np.flatnonzero(np.isfinite(mean))
    return (float(x[finite[-1]]), float(mean[finite[-1]])) if len(finite) else None


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Rising heights moved as little as it takes to lie within [0, 1] and a gap apart."""
    steps = gap * np.arange(len(heights))
    fitted = isotonic_regression(np.asarray(heights) - steps).x
    within: list[float] = (np.clip(fitted, 0, max(1 - steps[-1], 0)) + steps).tolist()
    return within
