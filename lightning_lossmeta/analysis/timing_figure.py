"""The picture of losses' times against the number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightning_lossmeta.analysis.style import BLUE, VERMILION, Line, legend_below, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS = {"forward": "forward", "forward_backward": "forward and backward"}
_TORCH = "F.cross_entropy"
_LINES = {
    _TORCH: Line("#606060", (0, (1, 1))),
    "LabelSmoothing": Line(VERMILION, (0, ())),
    "SparseLabelSmoothing": Line(BLUE, (0, ())),
}
_LABELS = {_TORCH: "F.cross_entropy(label_smoothing=), always with its log-softmax"}


def timing_figure(rows: Sequence[Mapping[str, Any]], batch: int) -> Figure:
    """Time of label smoothing and of its sparse form against the number of classes.

    Columns with and without the log-softmax, rows forward alone and with backward, both axes
    logarithmic. ``F.cross_entropy`` has no form without the log-softmax: its one time stands in
    both columns.

    Args:
        rows: A loss at a number of classes each, with the keys ``classes``, ``loss``
            (``"F.cross_entropy"``, ``"LabelSmoothing"`` or ``"SparseLabelSmoothing"``),
            ``softmax``, and the seconds ``forward`` and ``forward_backward``.
        batch: B, for the title.

    Raises:
        ValueError: If there is no row.

    Source: figure 14 of Raymond et al. (2024).
    """
    if not rows:
        raise ValueError("Expected argument `rows` to hold at least one measurement, got none.")
    figure = new_figure(10, 7, f"Time of a loss against the number of classes (batch {batch})")
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    for panels, (kind, words) in zip(grid, _KINDS.items(), strict=True):
        for axes, softmax in zip(panels, (True, False), strict=True):
            _draw(axes, rows, kind, softmax)
            tidy(axes, f"{words}, {'with' if softmax else 'without'} the log-softmax", "")
        panels[0].set_ylabel("microseconds a batch")
    for axes in grid[-1]:
        axes.set_xlabel("number of classes C")
    legend_below(figure, grid[0][0])
    return figure


def _draw(axes: Axes, rows: Sequence[Mapping[str, Any]], kind: str, softmax: bool) -> None:
    for name, line in _LINES.items():
        own = [
            row
            for row in rows
            if row["loss"] == name and (row["softmax"] == softmax or name == _TORCH)
        ]
        own.sort(key=lambda row: int(row["classes"]))
        classes = [row["classes"] for row in own]
        times = [1e6 * row[kind] for row in own]
        axes.plot(
            classes,
            times,
            label=_LABELS.get(name, name),
            marker="o",
            markersize=4,
            **line._asdict(),
        )
    axes.set(xscale="log", yscale="log")
