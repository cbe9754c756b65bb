"""The picture of learning rules: which way each class's logit is pushed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.analysis.loss_curves import check_losses
from lightning_lossmeta.analysis.style import (
    legend_below,
    lines,
    mark_untrained,
    new_figure,
    tidy,
)
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory import learning_rule
from lightning_lossmeta.theory.attraction import symmetric_logits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 200


def gamma_figure(losses: Mapping[str, LossFunction], num_classes: int) -> Figure:
    """The learning-rule coefficients of target and other classes as the target is learned.

    Predictions are (p, (1-p)/(n-1), ...). Drawn is gamma_k - sum_j h_j gamma_j: a number added to
    all gammas has no effect, and without it the sign tells where the logit goes. The axis is linear
    between -1 and 1 and logarithmic beyond.

    Args:
        losses: By the name that the legend shows.
        num_classes: n, at least 2.

    Raises:
        ValueError: If there is no loss, or there are fewer than two classes.

    Source: after section 4 of Gonzalez & Miikkulainen (2021).
    """
    check_losses(losses)
    grid = torch.linspace(0.005, 0.995, _POINTS, dtype=torch.float64)
    figure = new_figure(10, 4.3, f"Which way the logits are pushed ({num_classes} classes)")
    panels = figure.subplots(1, 2, sharey=True)
    for (name, loss), line in zip(losses.items(), lines(list(losses)), strict=True):
        gamma = _centred_gamma(loss, grid, num_classes)
        for axes, values in zip(panels, gamma.T, strict=True):
            axes.plot(grid, values, label=name, **line._asdict())
    for axes, title in zip(panels, ("Target class", "Each non-target class"), strict=True):
        axes.axhline(0, color="#303030", linewidth=1, zorder=1)
        axes.set_yscale("symlog", linthresh=1)
        tidy(axes, title, "probability p of the target class")
        axes.set_xlim(0, 1)
        mark_untrained(axes, 1 / num_classes)
    panels[0].set_ylabel(r"$\gamma_k - \Sigma_j h_j \gamma_j$   (above 0: logit grows)")
    legend_below(figure, panels[0])
    return figure


def _centred_gamma(loss: LossFunction, confidence: Tensor, num_classes: int) -> Tensor:
    """The centred coefficients of the target and of each other class, ``(G, 2)``."""
    h = symmetric_logits(num_classes, confidence).exp()
    gamma = learning_rule(loss, h, torch.zeros(len(h), dtype=torch.long))
    return (gamma - (h * gamma).sum(dim=1, keepdim=True))[:, :2]
