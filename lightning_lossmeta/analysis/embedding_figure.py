"""The picture of features on the plane, a panel a loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lightning_lossmeta.analysis.style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

# Ten colours told apart by every kind of colour vision (Petroff, 2021).
_TEN = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
_LEGEND = 20  # most classes that are named
_NAME_WIDTH = 32
_GOLDEN = 0.618034


def embedding_figure(
    points: Mapping[str, npt.ArrayLike],
    labels: npt.ArrayLike,
    classes: Sequence[str],
    silhouettes: Mapping[str, float],
    title: str = "Features of the penultimate layer (t-SNE)",
) -> Figure:
    """Samples on the plane in the colours of their classes, a panel a loss.

    Samples are drawn in a random order, so that no class hides the others. The axes have no ticks:
    those of t-SNE mean nothing. More than 20 classes are not named.

    Args:
        points: Coordinates by the name of the loss, ``(N, 2)`` each, of the same samples; those
            that are not finite are left out.
        labels: Index of each sample's class ``(N,)``.
        classes: Names of the classes.
        silhouettes: Mean silhouettes by the name of the loss, for the panels' titles.
        title: Title of the figure.

    Raises:
        ValueError: If there is no loss or no sample, a shape is another, or a label has no class.

    Source: figure 2 of Gao et al. (2021), figure 12 of Raymond et al. (2024).
    """
    target = np.asarray(labels)
    arrays = {name: np.asarray(part, dtype=np.float64) for name, part in points.items()}
    _check(arrays, target, len(classes))
    colours = np.array(_colours(len(classes)))
    order = np.random.default_rng(0).permutation(len(target))
    columns = len(arrays) if len(arrays) <= 3 else 2 if len(arrays) == 4 else 3
    rows = math.ceil(len(arrays) / columns)
    width = max(3.0 * columns, 6.0)
    named = classes if len(classes) <= _LEGEND else []
    fitting = int(width / (0.45 + 0.085 * max(map(len, named), default=0)))
    legend_rows = math.ceil(len(named) / max(fitting, 1)) or 1
    figure = new_figure(width, 3.5 * rows + 0.45 + 0.2 * legend_rows, title)
    figure.set_layout_engine("constrained", h_pad=0.08)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(arrays) :]:
        axes.set_visible(False)
    for axes, (name, array) in zip(grid, arrays.items(), strict=False):
        _draw(axes, array[order], colours[target[order]])
        axes.set_title(_panel_title(name, silhouettes.get(name)), fontsize=11)
    if named:
        _legend(figure, named, colours, math.ceil(len(named) / legend_rows))
    else:
        figure.supxlabel(f"a colour for each of {len(classes)} classes", fontsize=9)
    return figure


def _check(points: Mapping[str, Array], labels: npt.NDArray[Any], classes: int) -> None:
    if not points:
        raise ValueError("Expected argument `points` to hold at least one loss, got none.")
    if labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            "Expected argument `labels` to hold a class index for each of at least one sample, got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"Expected argument `labels` to be in [0, {classes}), as `classes` names {classes}, "
            f"got {labels.min()} to {labels.max()}."
        )
    for name, array in points.items():
        if array.shape != (len(labels), 2):
            raise ValueError(
                f"Expected argument `points` to hold arrays of shape ({len(labels)}, 2), got "
                f"{array.shape} for {name!r}."
            )


def _colours(count: int) -> list[tuple[float, float, float]]:
    """Ten colours that are well apart; beyond ten, hues by the golden ratio in three shades."""
    from matplotlib.colors import hsv_to_rgb, to_rgb

    if count <= len(_TEN):
        return [to_rgb(colour) for colour in _TEN[:count]]
    shades = ((0.85, 0.85), (0.55, 0.95), (0.9, 0.5))
    return [tuple(hsv_to_rgb((i * _GOLDEN % 1, *shades[i % 3]))) for i in range(count)]


def _panel_title(name: str, score: float | None) -> str:
    wrapped = fill(name, _NAME_WIDTH)
    if score is None:
        return wrapped
    return f"{wrapped}\nsilhouette {'undefined' if math.isnan(score) else f'{score:.2f}'}"


def _draw(axes: Axes, points: Array, colours: Array) -> None:
    finite = np.isfinite(points).all(axis=1)
    size = float(np.clip(12_000 / len(points), 3, 25))
    x, y = points[finite].T
    axes.scatter(x, y, s=size, c=colours[finite], alpha=0.8, linewidths=0, rasterized=True)
    if not finite.any():
        axes.text(0.5, 0.5, "diverged", transform=axes.transAxes, ha="center", color="#606060")
    axes.set(xticks=[], yticks=[], box_aspect=1)
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_color("#c8c8c8")


def _legend(figure: Figure, classes: Sequence[str], colours: Array, columns: int) -> None:
    from matplotlib.lines import Line2D

    figure.legend(
        [Line2D([], [], color=colour, marker="o", linestyle="none") for colour in colours],
        list(classes),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handletextpad=0.2,
    )
