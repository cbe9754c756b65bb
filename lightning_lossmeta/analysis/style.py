"""How all figures look, and how they are written."""

from __future__ import annotations

import os
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")

# Okabe & Ito's colours, told apart by every kind of colour vision; cross-entropy is always grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (6, 2)), (0, (2, 1.5)))  # type: ignore[assignment]
_REFERENCE = "#606060"


class Line(NamedTuple):
    """How the curve of one loss is drawn."""

    color: str
    linestyle: str | tuple[int, tuple[int, ...]]
    linewidth: float


def lines(names: list[str]) -> dict[str, Line]:
    """A line for each loss; colours repeat with another dash.

    >>> lines(["baikal", "cross_entropy"])["cross_entropy"].color
    '#606060'
    """
    styles = cycle(
        Line(color, dash, 2.2) for dash in _DASHES for color in _COLOURS
    )
    return {
        name: Line(_REFERENCE, (0, (1, 1)), 2.2) if is_reference(name) else next(styles)
        for name in names
    }


def is_reference(name: str) -> bool:
    """Whether a loss is cross-entropy, which all the others are held against."""
    return name.lower().replace("_", "-").replace(" ", "-") == "cross-entropy"


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure that pyplot does not know of: no global state, nothing to close."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=12, fontweight="bold")
    return figure


def tidy(axes: Axes) -> None:
    """A light grid behind the curves and no frame at the top and right."""
    axes.grid(True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 110) -> Path:
    """Write a figure as PNG, SVG or PDF, by the file's ending; makes its folder.

    Args:
        figure: Made by this package or by matplotlib.
        path: Where to.
        dpi: Pixels an inch of a PNG.

    Returns:
        The path written.

    Raises:
        ValueError: If the ending is none of the three.
    """
    file = Path(path)
    if file.suffix.lower().lstrip(".") not in FORMATS:
        raise ValueError(
            f"Expected argument `path` to end in .png, .svg or .pdf, got '{file.name}'."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=dpi, facecolor="white")
    return file
