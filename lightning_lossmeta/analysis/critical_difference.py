"""The picture of average ranks: which losses differ by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lightning_lossmeta.analysis.style import BLUE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _GREY = "#303030", "#606060"
_NAME_WIDTH = 30
# Heights in rows of text: of the CD bar and numbers above the ruler, and from bar to bar below.
_HEAD, _BAR = 2.6, 0.42
_ROW_INCHES = 0.25
# As parts of the ruler: from its ends to the names, and by how far bars stick out.
_GAP, _PAD = 0.13, 0.008
# Losses whose ranks can all be numbered on the ruler.
_NUMBERED = 12


def critical_difference_figure(
    names: Sequence[str],
    ranks: npt.ArrayLike,
    cd: float,
    groups: Sequence[Sequence[int]],
    title: str = "Average rank over tasks",
) -> Figure:
    """Losses on a ruler of average ranks, the best on the right; bars join those that don't differ.

    Args:
        names: Names of the losses, at least two.
        ranks: Average rank of each ``(losses,)``, from 1 to their number.
        cd: The critical difference, drawn to scale above the ruler.
        groups: Indices of losses that don't differ; a bar goes from the best rank of each to its
            worst.
        title: Title of the figure.

    Raises:
        ValueError: If there are fewer than two names, a rank is missing or none, or ``cd`` is not
            positive.

    Source: figure 1 of Demsar (2006).
    """
    values = _check(names, ranks, cd)
    spans = [values[list(group)] for group in groups]
    pad = _PAD * (len(names) - 1)
    bars = _levels([(span.min() - pad, span.max() + pad) for span in spans])
    top = 1.2 + _BAR * (1 + max((level for level, _, _ in bars), default=-1))
    labels = [fill(name, _NAME_WIDTH) for name in names]
    order = np.argsort(values, kind="stable")
    half = (len(names) + 1) // 2
    sides = {-1: order[half:][::-1], 1: order[:half]}  # left and right, from the top
    depths = {side: top + _rows([labels[i] for i in sides[side]]) for side in sides}
    bottom = max(rows[-1] for rows in depths.values()) + 0.5
    width = 8 if len(names) <= _NUMBERED else 9
    figure = new_figure(width, 0.7 + _ROW_INCHES * (_HEAD + bottom), title)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    if groups:
        figure.supxlabel(
            "bars join losses that do not differ significantly", fontsize=8, color=_GREY
        )
    axes = figure.subplots()
    axes.set_axis_off()
    gap = _GAP * (len(names) - 1)
    axes.set(xlim=(len(names) + gap, 1 - gap), ylim=(-bottom, _HEAD))
    _ruler(axes, len(names))
    _critical_difference(axes, len(names), cd)
    for side, members in sides.items():
        for index, depth in zip(members, depths[side], strict=True):
            _elbow(axes, side, values[index], depth, labels[index], len(names))
    for level, low, high in bars:
        y = -0.6 - _BAR * level
        axes.plot([low, high], [y, y], color=BLUE, linewidth=4, solid_capstyle="butt")
    return figure


def _check(names: Sequence[str], ranks: npt.ArrayLike, cd: float) -> npt.NDArray[np.float64]:
    values = np.asarray(ranks, dtype=np.float64)
    if len(names) < 2:
        raise ValueError(f"Expected argument `names` to hold at least two losses, got {names!r}.")
    if values.shape != (len(names),) or not ((values >= 1) & (values <= len(names))).all():
        raise ValueError(
            f"Expected argument `ranks` to hold {len(names)} numbers from 1 to {len(names)}, got "
            f"{values}."
        )
    if not cd > 0:
        raise ValueError(f"Expected argument `cd` to be positive, got {cd}.")
    return values


def _levels(spans: Sequence[tuple[float, float]]) -> list[tuple[int, float, float]]:
    """Each span with the first level at which it meets no earlier one."""
    ends: list[float] = []
    placed = []
    for low, high in sorted(spans):
        level = next((i for i, end in enumerate(ends) if end < low), len(ends))
        ends[level : level + 1] = [high]
        placed.append((level, low, high))
    return placed


def _rows(labels: Sequence[str]) -> npt.NDArray[np.float64]:
    """How far below the first row each label's middle lies."""
    heights = np.array([0.8 * (1 + label.count("\n")) + 0.2 for label in labels])
    return np.cumsum(heights) - heights / 2 - 0.5


def _ruler(axes: Axes, losses: int) -> None:
    axes.plot([1, losses], [0, 0], color=_INK, linewidth=1.4)
    for rank in np.arange(1, losses + 0.5, 0.5):
        whole = rank == int(rank)
        axes.plot([rank, rank], [0, 0.3 if whole else 0.15], color=_INK, linewidth=1)
        if whole and (losses <= _NUMBERED or rank == 1 or rank % 5 == 0):
            axes.text(rank, 0.4, f"{rank:.0f}", ha="center", va="bottom", fontsize=9)
    for x, word, side, shift in ((losses, "worse", "right", -6), (1, "better", "left", 6)):
        axes.annotate(
            word,
            (x, 0),
            xytext=(shift, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=9,
            color=_GREY,
            style="italic",
        )


def _critical_difference(axes: Axes, losses: int, cd: float) -> None:
    """A bar as long as ``cd``; one that is longer than the ruler ends in an arrow."""
    y, end = 1.75, max(losses - cd, 1.0)
    fits = cd <= losses - 1
    axes.plot([losses, end], [y, y], color=_INK, linewidth=1.6)
    for x, marker in ((losses, "|"), (end, "|" if fits else (3, 0, -90))):
        axes.plot(x, y, marker=marker, color=_INK, markersize=8, markeredgewidth=1.6)
    text = f"CD = {cd:.2f}" + ("" if fits else ", longer than the ruler")
    axes.text((losses + end) / 2, y + 0.3, text, ha="center", va="bottom", fontsize=9)


def _elbow(axes: Axes, side: int, rank: float, depth: float, label: str, losses: int) -> None:
    """A line from the ruler down to the row of the name, and sideways to it under the rank."""
    gap = _GAP * (losses - 1)
    x = losses + gap if side < 0 else 1 - gap
    axes.plot([rank, rank, x], [0, -depth, -depth], color=_GREY, linewidth=1)
    axes.plot(rank, 0, marker="o", markersize=4, color=_INK)
    outer, inner = ("left", "right") if side > 0 else ("right", "left")
    for text, size, ha, va, shift in (
        (label, 10, outer, "center", (4 * side, 0)),
        (f"{rank:.2f}", 8, inner, "bottom", (-2 * side, 1)),
    ):
        axes.annotate(
            text,
            (x, -depth),
            xytext=shift,
            textcoords="offset points",
            ha=ha,
            va=va,
            fontsize=size,
            linespacing=1.0,
        )
