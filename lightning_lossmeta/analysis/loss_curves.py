"""The picture of losses: what right and wrong predictions cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from lightning_lossmeta.analysis.curves import right_class_curve, wrong_class_curve
from lightning_lossmeta.analysis.style import (
    legend_below,
    lines,
    mark_untrained,
    new_figure,
    tidy,
)
from lightning_lossmeta.losses.base import LossFunction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 200
_TOP = 1.9
# Relative difference of losses that float64 rounding alone can make.
_ROUNDING = 1e-12


def loss_figure(losses: Mapping[str, LossFunction], num_classes: int) -> Figure:
    """Losses against the probability of the target class, and of a non-target class.

    All other classes share the rest evenly, see
    :func:`~lightning_lossmeta.analysis.curves.right_class_curve` and
    :func:`~lightning_lossmeta.analysis.curves.wrong_class_curve`. Losses differ in range and
    offset, neither of which changes what can be learned, so each is drawn as ::

        (L - min) / (max - min),   min and max of L(p) over p from 1/n to 0.99

    that is, 0 and 1 are the least and the greatest value between an untrained and a sure
    prediction, in both panels.

    Args:
        losses: By the name that the legend shows.
        num_classes: n, at least 2.

    Raises:
        ValueError: If there is no loss, or there are fewer than two classes.

    Source: after figure 1 of Gao et al. (2021) and figures 9 to 11 of Raymond et al. (2024).
    """
    check_losses(losses)
    grid = torch.linspace(0.005, 0.995, _POINTS, dtype=torch.float64)
    figure = new_figure(10, 4.3, f"What a prediction costs ({num_classes} classes)")
    target, other = figure.subplots(1, 2, sharey=True)
    for (name, loss), line in zip(losses.items(), lines(list(losses)), strict=True):
        low, high = loss_range(loss, num_classes)
        right = right_class_curve(loss, grid, num_classes)
        wrong = wrong_class_curve(loss, grid, num_classes)
        for axes, values in ((target, right), (other, wrong)):
            axes.plot(grid, (values - low) / (high - low), label=name, **line._asdict())
    tidy(target, "Target class", "probability p of the target class")
    tidy(other, "Non-target class", "probability q of one non-target class")
    for axes in (target, other):
        mark_untrained(axes, 1 / num_classes)
    target.set(xlim=(0, 1), ylim=(-0.06, _TOP))
    other.set(xlim=(0, 1))
    target.set_ylabel("loss, scaled: 0 to 1 for p from 1/n to 0.99")
    legend_below(figure, target)
    return figure


def loss_range(loss: LossFunction, num_classes: int) -> tuple[float, float]:
    """Least and greatest L(p) from an untrained to a sure prediction; one apart if constant."""
    span = torch.linspace(1 / num_classes, 0.99, _POINTS, dtype=torch.float64)
    values = right_class_curve(loss, span, num_classes)
    values = values[values.isfinite()]
    if not len(values):
        return 0.0, 1.0
    low, high = values.min().item(), values.max().item()
    constant = high - low <= _ROUNDING * max(abs(low), abs(high))
    return low, low + 1.0 if constant else high


def check_losses(losses: Mapping[str, LossFunction]) -> None:
    """Refuse to draw nothing.

    Raises:
        ValueError: If there is no loss.
    """
    if not losses:
        raise ValueError("Expected argument `losses` to name at least one loss, got none.")
