"""The picture of a training's pull and push: epoch against attraction, a point a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.analysis.style import BLUE, VERMILION, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Width over which an epoch's points are spread, so that they do not hide one another.
_SPREAD = 0.7


def attraction_history_figure(epochs: Tensor, strengths: Tensor, name: str) -> Figure:
    """How strongly training samples are pulled to their label in the course of a training.

    A point a sample and epoch: above zero (blue) the loss pulls the sample to its label, below
    (vermilion) it pushes it away. The line is the mean of each epoch, and the title tells the
    share that is pushed in the last one.

    Args:
        epochs: Epoch of each point ``(N,)``, integers.
        strengths: Attraction of each point ``(N,)``; those that are not finite are left out.
        name: Name of the loss, for the title.

    Raises:
        ValueError: If there is no point, or the shapes differ.

    Source: figure 1 of Gonzalez & Miikkulainen (2021).
    """
    from matplotlib.ticker import MaxNLocator

    if epochs.ndim != 1 or not len(epochs) or epochs.shape != strengths.shape:
        raise ValueError(
            "Expected arguments `epochs` and `strengths` to be of one shape (N,) with N at least "
            f"1, got {tuple(epochs.shape)} and {tuple(strengths.shape)}."
        )
    finite = strengths.isfinite()
    share = _pushed(strengths[finite & (epochs == epochs.max())])
    epochs, strengths = epochs[finite], strengths[finite].double()
    generator = torch.Generator().manual_seed(0)
    x = epochs + _SPREAD * (torch.rand(len(epochs), generator=generator) - 0.5)
    figure = new_figure(7, 4.3, f"Attraction of training samples: {name}")
    axes = figure.subplots()
    for colour, part in ((BLUE, strengths >= 0), (VERMILION, strengths < 0)):
        axes.scatter(
            x[part], strengths[part], s=4, color=colour, alpha=0.3, linewidths=0, rasterized=True
        )
    axes.axhline(0, color="#303030", linewidth=1)
    numbers = sorted(set(epochs.tolist()))
    means = [strengths[epochs == number].mean().item() for number in numbers]
    axes.plot(numbers, means, color="#303030", linewidth=1.6, label="mean")
    tidy(axes, share, "epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("attraction   (above 0: pull in, below: push away)", fontsize=9)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _pushed(strengths: Tensor) -> str:
    if not len(strengths):
        return "no attraction in the last epoch is finite"
    return f"{(strengths < 0).double().mean():.0%} of the last epoch's samples are pushed away"
