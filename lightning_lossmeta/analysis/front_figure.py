"""The picture of a search for several objectives: all candidates, and the front among them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lightning_lossmeta.analysis.style import BLUE, GREY, VERMILION, legend_below, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

#: Objectives that are drawn, each against each.
MOST = 4
#: Points further off than this many times the front's own extent are left out.
FAR = 3.0


def front_figure(
    objectives: Sequence[tuple[str, str]],
    scores: npt.ArrayLike,
    generations: Sequence[int],
    front: npt.ArrayLike,
    knee: int | None = None,
    fresh: npt.ArrayLike | None = None,
    usual: Mapping[str, npt.ArrayLike] | None = None,
) -> Figure:
    """Every candidate by its objectives, in the colour of its generation, and the front.

    Of more than two objectives each pair of the first four has a panel.

    Args:
        objectives: Name and mode of each objective, as many as m.
        scores: Of all candidates that have some, in the metrics' own sign, (n, m).
        generations: The generation of each, from 0, (n,).
        front: Scores of the members of the front, (k, m).
        knee: Which member is the knee.
        fresh: Scores of the members on fresh seeds, (k, m); rows of NaN where there are none.
        usual: Scores of usual losses on these seeds, by name: a row each learning rate, (r, m).

    Raises:
        ValueError: If there are fewer than two objectives, or shapes do not fit.
    """
    from matplotlib.ticker import MaxNLocator

    points, members = _table(scores, objectives), _table(front, objectives)
    again = None if fresh is None else _table(fresh, objectives)
    if len(objectives) < 2 or len(generations) != len(points):
        raise ValueError(
            "Expected at least two objectives and a generation for each candidate, got "
            f"{len(objectives)}, {len(points)} candidates and {len(generations)} generations."
        )
    known = {name: _table(own, objectives) for name, own in (usual or {}).items()}
    pairs = list(itertools.combinations(range(min(len(objectives), MOST)), 2))
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    width = 7.5 if len(pairs) == 1 else 4.6 * columns
    figure = new_figure(width, 0.9 + 4.4 * rows, "The front of several objectives")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    dots = None
    for axes, (i, j) in zip(panels, pairs, strict=False):
        pick = [i, j]
        low, high = _window(points[:, pick], members[:, pick])
        shown = _inside(points[:, pick], low, high)
        dots = axes.scatter(
            *points[shown][:, pick].T,
            c=1 + np.asarray(generations)[shown],
            cmap="viridis",
            vmin=1,
            vmax=1 + max(generations, default=0),
            s=22,
            alpha=0.7,
            linewidths=0,
        )
        _draw_front(axes, members[:, pick], knee, len(objectives) == 2)
        _draw_fresh(axes, members[:, pick], None if again is None else again[:, pick])
        for (name, own), marker in zip(known.items(), itertools.cycle("sDv^P*"), strict=False):
            style = {"color": GREY, "linestyle": ":", "linewidth": 1.0, "markersize": 7}
            rows_shown = own[:, pick][_inside(own[:, pick], low, high)]
            axes.plot(*rows_shown.T, marker=marker, label=f"{name}, fresh seeds", **style)
        everything = [points, *known.values()]
        hidden = sum(int((~_inside(own[:, pick], low, high)).sum()) for own in everything)
        tidy(axes, f"{hidden} points lie beyond" if hidden else "", _label(objectives[i]))
        axes.set_ylabel(_label(objectives[j]))
        axes.title.set_fontsize(8)
    if dots is not None and len(points):
        bar = figure.colorbar(dots, ax=list(panels[: len(pairs)]), pad=0.02)
        bar.set_label("generation")
        bar.locator = MaxNLocator(integer=True)
        bar.update_ticks()
    for spare in panels[len(pairs) :]:
        spare.set_visible(False)
    legend_below(figure, panels[0])
    return figure


def _draw_front(axes: Axes, members: Array, knee: int | None, joined: bool) -> None:
    order = np.argsort(members[:, 0])
    line = "-" if joined else ""
    axes.plot(
        *members[order].T,
        color=VERMILION,
        linestyle=line,
        marker="o",
        markerfacecolor="none",
        markersize=8,
        linewidth=1.3,
        label="front of the search",
    )
    if knee is not None:
        at = members[knee]
        axes.plot(*at, "*", color=VERMILION, markersize=16, label="knee")


def _draw_fresh(axes: Axes, members: Array, fresh: Array | None) -> None:
    """What members have on fresh seeds, each joined to what it had in the search."""
    if fresh is None:
        return
    label = "the same on fresh seeds"
    for before, after in zip(members, fresh, strict=True):
        if np.isfinite(after).all():
            axes.plot(*np.stack([before, after]).T, color=BLUE, linewidth=0.7, alpha=0.6)
            axes.plot(*after, "o", color=BLUE, markersize=6, label=label)
            label = "_"


def _window(points: Array, members: Array) -> tuple[Array, Array]:
    """What is drawn, so near to the front that it can still be seen: its least and largest."""
    if not len(members) or not len(points):
        return np.full(2, -np.inf), np.full(2, np.inf)
    low, high = members.min(axis=0), members.max(axis=0)
    middle = np.median(points, axis=0)
    spread = np.maximum(high - low, np.abs(middle - (low + high) / 2))
    spread = np.where(spread > 0, spread, np.inf)
    return low - FAR * spread, high + FAR * spread


def _inside(points: Array, low: Array, high: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def _table(values: npt.ArrayLike, objectives: Sequence[tuple[str, str]]) -> Array:
    table = np.asarray(values, dtype=np.float64)
    if not table.size:
        return np.empty((0, len(objectives)))
    if table.ndim != 2 or table.shape[1] != len(objectives):
        raise ValueError(
            f"Expected tables of {len(objectives)} columns, one an objective, got shape "
            f"{table.shape}."
        )
    return table


def _label(objective: tuple[str, str]) -> str:
    name, mode = objective
    return f"{name} (less is better)" if mode == "min" else name
