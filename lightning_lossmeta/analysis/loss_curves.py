"""The picture of losses: what right and wrong predictions cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.analysis.curves import right_class_curve, wrong_class_curve
from lightning_lossmeta.analysis.style import lines, new_figure, tidy
from lightning_lossmeta.losses.base import LossFunction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 200
_TOP = 1.75


def loss_figure(losses: Mapping[str, LossFunction], num_classes: int) -> Figure:
    """Losses against the probability of the right class, and of a wrong one.

    Left, a prediction p for the right class; right, a prediction q for a wrong one; all other
    classes share the rest evenly. Losses differ in range and offset, neither of which changes what
    can be learned, so each is drawn as ::

        (L - min) / (max - min),   min and max of L(p) over p from 1/n to 0.99

    that is, 0 and 1 are the least and the greatest value between an untrained and a sure prediction.

    Args:
        losses: By the name that the legend shows.
        num_classes: n, at least 2.

    Raises:
        ValueError: If there is no loss, or there are fewer than two classes.

    Source: after figure 1 of Gao et al. (2021) and figures 9 to 11 of Raymond et al. (2024).
    """
    if not losses:
        raise ValueError("Expected argument `losses` to name at least one loss, got none.")
    grid = torch.linspace(0.005, 0.995, _POINTS, dtype=torch.float64)
    figure = new_figure(10.0, 4.2, f"What a prediction costs, {num_classes} classes")
    right, wrong = figure.subplots(1, 2, sharey=True)
    styles = lines(list(losses))
    for name, loss in losses.items():
        p = right_class_curve(loss, grid, num_classes)
        q = wrong_class_curve(loss, grid, num_classes)
        low, high = _range(loss, num_classes)
        for axes, values in ((right, p), (wrong, q)):
            axes.plot(grid, (values - low) / (high - low), label=name, **styles[name]._asdict())
    _label(right, num_classes, "Right class", "probability p of the right class")
    _label(wrong, num_classes, "Wrong class", "probability q of one wrong class")
    right.set_ylabel("scaled loss (0 to 1 for p from 1/n to 0.99)")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(losses), 4), frameon=False
    )
    return figure


def _range(loss: LossFunction, num_classes: int) -> tuple[float, float]:
    """Least and greatest loss from an untrained to a sure prediction; (c, c+1) if constant."""
    span = torch.linspace(1 / num_classes, 0.99, 100, dtype=torch.float64)
    values = right_class_curve(loss, span, num_classes)
    finite: Tensor = values[values.isfinite()]
    if not len(finite):
        return 0.0, 1.0
    low, high = finite.min().item(), finite.max().item()
    return low, high if high - low > 1e-12 * max(abs(low), abs(high)) else low + 1.0


def _label(axes: Axes, num_classes: int, title: str, x_label: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.06, _TOP)
    axes.axvline(1 / num_classes, color="#999999", linewidth=1, zorder=0)
    axes.annotate(
        "untrained",
        (1 / num_classes, _TOP),
        xytext=(4, -11),
        textcoords="offset points",
        color="#666666",
        fontsize=8,
    )
    tidy(axes)
