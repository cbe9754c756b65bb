"""The picture of a training, step by step: how fast a loss learns, and how well that carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lightning_lossmeta.analysis.style import legend_below, lines, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_figure(
    curves: Mapping[str, tuple[Sequence[int], np.ndarray, np.ndarray]],
    title: str,
    score: str = "test accuracy",
) -> Figure:
    """Accuracy on training samples and on others against the optimiser step.

    A line is the mean over the seeds, its band one standard deviation of them to each side.

    Args:
        curves: By name of the loss the steps (T,), and training and test accuracy, each (S, T).
        title: Stands above both panels.
        score: What the right panel shows.

    Raises:
        ValueError: If there is no loss, or a curve has another shape.

    Source: after figure 4 of Hai & Liu (2021).
    """
    if not curves:
        raise ValueError("Expected argument `curves` to hold at least one loss, got none.")
    figure = new_figure(9.2, 4.3, title)
    panels = figure.subplots(1, 2, sharey=True)
    for (name, (steps, *parts)), style in zip(curves.items(), lines(list(curves)), strict=True):
        for axes, values in zip(panels, parts, strict=True):
            if values.ndim != 2 or values.shape[1] != len(steps):
                raise ValueError(
                    f"Expected one value of '{name}' a seed and step, {len(steps)} steps, got "
                    f"shape {values.shape}."
                )
            mean = values.mean(axis=0)
            axes.plot(steps, mean, label=name, **style._asdict())
            if len(values) > 1:
                spread = values.std(axis=0, ddof=1)
                axes.fill_between(
                    steps, mean - spread, mean + spread, color=style.color, alpha=0.12, linewidth=0
                )
    for axes, what in zip(panels, ("training accuracy", score), strict=True):
        tidy(axes, what, "optimiser step")
    legend_below(figure, panels[0])
    return figure
