"""Pictures with a panel a loss: attraction to zero training error, and the loss over (h, y)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch

from lightning_lossmeta.analysis.curves import soft_label_map
from lightning_lossmeta.analysis.loss_curves import check_losses, loss_range
from lightning_lossmeta.analysis.style import BLUE, VERMILION, new_figure, tidy
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory import attraction_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 400
_COLUMNS = 4


def attraction_figure(
    losses: Mapping[str, LossFunction],
    num_classes: int,
    form: Literal["exact", "published"] = "exact",
) -> Figure:
    """How strongly samples are pulled to zero training error, a panel a loss.

    Against the deviation e from a memorised label (target probability 1 - e, the others alike):
    above zero samples are pulled to their label, below they are pushed away.

    Args:
        losses: By the name that the panel shows.
        num_classes: n, at least 2.
        form: As in :func:`~lightning_lossmeta.theory.attraction.attraction_strength`.

    Raises:
        ValueError: If there is no loss, or there are fewer than two classes.

    Source: figure 3 of Gonzalez & Miikkulainen (2021).
    """
    check_losses(losses)
    epsilon = torch.linspace(0.0025, 0.9975, _POINTS, dtype=torch.float64)
    note = ", equation 17 as printed" if form == "published" else ""
    title = f"Attraction towards zero training error ({num_classes} classes{note})"
    figure, panels = _grid(len(losses), title)
    for axes, (name, loss) in zip(panels, losses.items(), strict=True):
        values = attraction_curve(loss, num_classes, epsilon, form)
        axes.axhline(0, color="#303030", linewidth=1)
        axes.plot(epsilon, values, color="#303030", linewidth=1.6)
        for colour, part in ((BLUE, values.clamp_min(0)), (VERMILION, values.clamp_max(0))):
            axes.fill_between(epsilon, part, color=colour, alpha=0.35, linewidth=0)
        tidy(axes, name, r"deviation from memorisation $\epsilon$")
        axes.set_xlim(0, 1)
        axes.margins(y=0.08)
    for axes in panels[:: min(len(panels), _COLUMNS)]:
        axes.set_ylabel("push away (< 0)      pull in (> 0)", fontsize=9)
    return figure


def heatmap_figure(losses: Mapping[str, LossFunction], num_classes: int) -> Figure:
    """The loss over the probability h and the label y of one class, a panel a loss.

    The other classes share evenly what either leaves; scaled as in
    :func:`~lightning_lossmeta.analysis.loss_curves.loss_figure`, and cut off at 1.5.

    Args:
        losses: By the name that the panel shows; they must take soft targets.
        num_classes: n, at least 2.

    Raises:
        ValueError: If there is no loss, or there are fewer than two classes.
    """
    check_losses(losses)
    h = torch.linspace(0.005, 0.995, 120, dtype=torch.float64)
    y = torch.linspace(0, 1, 61, dtype=torch.float64)
    figure, panels = _grid(len(losses), f"Loss over prediction and label ({num_classes} classes)")
    levels = torch.linspace(0, 1.5, 16).tolist()
    for axes, (name, loss) in zip(panels, losses.items(), strict=True):
        low, high = loss_range(loss, num_classes)
        values = (soft_label_map(loss, h, y, num_classes) - low) / (high - low)
        image = axes.contourf(h, y, values, levels, cmap="cividis", extend="both")
        best = values.argmin(dim=1)
        axes.plot(h[best], y, color="white", linewidth=2, linestyle=(0, (1, 1)))
        tidy(axes, name, "probability h of the class")
        axes.grid(False)
    for axes in panels[:: min(len(panels), _COLUMNS)]:
        axes.set_ylabel("label y of the class")
    label = "scaled loss (dots: least for each y)"
    figure.colorbar(image, ax=panels, label=label, ticks=[0, 0.5, 1, 1.5], pad=0.01)
    return figure


def _grid(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with one panel for each of a number of losses."""
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    figure = new_figure(max(3.1 * columns, 6.0), 3.0 * rows + 0.5, title)
    grid = figure.subplots(rows, columns, squeeze=False)
    panels = [axes for row in grid for axes in row]
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]
