"""The picture of what became of a search's candidates: trained, or judged by a filter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from textwrap import fill as folded
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from lightning_lossmeta.analysis.style import COLOURS, GREY, legend_below, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_COLUMNS = 3
_FIRST = (COLOURS[0], GREY)
_NAME_WIDTH = 36
_HATCHES = ("", "///", "...", "xxx")
# By how much rounding can take a sum of shares past one.
_ROUNDING = 1e-9


class _Fill(NamedTuple):
    facecolor: str
    hatch: str


def filter_figure(
    shares: Mapping[str, Mapping[str, npt.ArrayLike]], runs: Mapping[str, int]
) -> Figure:
    """Shares of a generation's candidates, stacked, against generation; a panel a method.

    Args:
        shares: By method and fate, in [0, 1] with a sum of at most 1, ``(generations,)``; the first
            two fates are those of candidates that no filter judged.
        runs: How many runs a method's shares are means of.

    Raises:
        ValueError: If there is no method or fate, or the shares are none.

    Source: figure 5 of Raymond et al. (2024).
    """
    tables = _checked(shares)
    names = list(dict.fromkeys(name for table in tables.values() for name in table))
    fills = dict(zip(names, _fills(len(names)), strict=True))
    columns = min(len(tables), _COLUMNS)
    rows = math.ceil(len(tables) / columns)
    figure = new_figure(max(3.8 * columns, 7.5), 2.9 * rows + 1.1, "What became of candidates")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in grid[len(tables) :]:
        axes.set_visible(False)
    for axes, (method, table) in zip(grid, tables.items(), strict=False):
        _draw(axes, table, fills)
        count = runs.get(method, 1)
        title = method if count == 1 else f"{method}, mean of {count} runs"
        tidy(axes, folded(title, _NAME_WIDTH), "generation")
    for axes in grid[: len(tables) : columns]:
        axes.set_ylabel("share of candidates")
    legend_below(figure, *grid[: len(tables)])
    return figure


def _checked(shares: Mapping[str, Mapping[str, npt.ArrayLike]]) -> dict[str, dict[str, Array]]:
    if not shares or not all(shares.values()):
        raise ValueError("Expected argument `shares` to hold methods with fates, got none.")
    tables = {
        method: {name: np.asarray(part, dtype=np.float64) for name, part in table.items()}
        for method, table in shares.items()
    }
    for method, table in tables.items():
        shapes = {part.shape for part in table.values()}
        if len(shapes) > 1 or len(shape := shapes.pop()) != 1 or not shape[0]:
            raise ValueError(
                f"Expected argument `shares` to hold arrays of one shape (generations,) for "
                f"{method!r}, got {[part.shape for part in table.values()]}."
            )
        stack = np.stack(list(table.values()))
        if not ((stack >= 0).all() and (stack.sum(axis=0) <= 1 + _ROUNDING).all()):
            raise ValueError(
                f"Expected argument `shares` to hold shares for {method!r}, got sums of "
                f"{stack.sum(axis=0).tolist()}."
            )
    return tables


def _fills(count: int) -> list[_Fill]:
    """Blue and grey, then the other colours, then those again with hatches."""
    others = [_Fill(colour, hatch) for hatch, colour in product(_HATCHES, COLOURS[1:])]
    first = [_Fill(colour, "") for colour in _FIRST]
    return [*first, *(others[i % len(others)] for i in range(count))][:count]


def _draw(axes: Axes, table: Mapping[str, Array], fills: Mapping[str, _Fill]) -> None:
    from matplotlib.ticker import MaxNLocator

    base = np.zeros(len(next(iter(table.values()))))
    edges = np.arange(len(base) + 1) + 0.5  # of generations from 1
    for name, part in table.items():
        fill = fills[name]
        axes.stairs(
            base + part,
            edges,
            baseline=base,
            fill=True,
            label=name,
            linewidth=0,
            edgecolor="white",
            **fill._asdict(),
        )
        base = base + part
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
