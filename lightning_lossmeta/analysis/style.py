"""How all figures look, and how they are written."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

# Okabe & Ito's palette, told apart by every kind of colour vision.
BLUE, VERMILION = "#0072B2", "#D55E00"
COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#606060"
Dash = tuple[int, tuple[float, ...]]
_DASHES: tuple[Dash, ...] = ((0, ()), (0, (6, 2)), (0, (5, 1, 1, 1)), (0, (2, 1)))
_DOTS: Dash = (0, (1, 1))
# Of a legend: letters an inch, however wide they are, and inches of three lines.
_LETTERS, _LEGEND_HEIGHT = 7, 0.7


class Line(NamedTuple):
    """How the curve of one loss is drawn."""

    color: str
    linestyle: Dash
    linewidth: float = 2.2


def lines(names: list[str]) -> list[Line]:
    """A line for each loss: six colours, then again with other dashes; cross-entropy in dots.

    >>> [line.color for line in lines(["baikal", "cross-entropy"])]
    ['#0072B2', '#606060']
    """
    others = [name for name in names if not is_cross_entropy(name)]
    styles = [Line(colour, dash) for dash, colour in product(_DASHES, COLOURS)]
    line_of = {name: styles[index % len(styles)] for index, name in enumerate(others)}
    return [line_of.get(name, Line(GREY, _DOTS)) for name in names]


def is_cross_entropy(name: str) -> bool:
    """Whether a name is that of cross-entropy, which the other losses are held against."""
    return name.lower().replace("_", "-").replace(" ", "-") == "cross-entropy"


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure that pyplot does not know of: no global state, nothing to close."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure


def tidy(axes: Axes, title: str, x_label: str) -> None:
    """Title and label, a light grid behind the curves, no frame at the top and right."""
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.grid(True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def mark_untrained(axes: Axes, at: float) -> None:
    """A line at the probability that an untrained network gives every class."""
    axes.axvline(at, color="#999999", linewidth=1, zorder=0)
    axes.annotate(
        "untrained",
        (at, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(4, -10),
        textcoords="offset points",
        color="#606060",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8},
    )


def legend_below(figure: Figure, *panels: Axes) -> None:
    """One legend for all panels, under them, in as many columns as the page has room for.

    Long names are folded, and the figure grows by what goes beyond three lines.
    """
    handles: dict[str, Artist] = {}
    for axes in panels:
        drawn, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, drawn, strict=True))
    longest = int(_LETTERS * figure.get_figwidth() - 5)
    labels = [fill(name, longest) for name in handles]
    for columns in range(min(len(labels), 4), 0, -1):
        legend = figure.legend(
            list(handles.values()),
            labels,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
        )
        box = legend.get_window_extent()
        if box.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    more = box.height / figure.dpi - _LEGEND_HEIGHT
    figure.set_figheight(figure.get_figheight() + max(more, 0))


def check_picture(name: str, path: str | os.PathLike[str]) -> Path:
    """A path that :func:`save_figure` can write to.

    Args:
        name: Name of the argument that holds the path, for the message.
        path: The file that is to be written.

    Raises:
        ValueError: If the path ends in none of ``.png``, ``.svg`` and ``.pdf``.
    """
    file = Path(path)
    if file.suffix.lower() not in FORMATS:
        raise ValueError(
            f"Expected argument `{name}` to end in {', '.join(FORMATS)}, got '{file.name}'."
        )
    return file


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 100) -> Path:
    """Write a figure as PNG, SVG or PDF, by the file's ending; makes its folder.

    Args:
        figure: Made by this package or by matplotlib.
        path: The file to write.
        dpi: Pixels an inch of a PNG.

    Returns:
        The path written.

    Raises:
        ValueError: If the path ends in none of ``.png``, ``.svg`` and ``.pdf``.
    """
    file = check_picture("path", path)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix.lower() == ".png":
        figure.savefig(file, dpi=dpi, facecolor="white", pil_kwargs={"optimize": True})
    else:
        figure.savefig(file, facecolor="white")
    return file
