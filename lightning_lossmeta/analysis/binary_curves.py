"""The picture of losses of yes or no: what a probability costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.analysis.loss_curves import check_losses
from lightning_lossmeta.analysis.regression_curves import DOTTED, scaled
from lightning_lossmeta.analysis.style import legend_below, lines, new_figure, tidy
from lightning_lossmeta.losses import BinaryCrossEntropy, LossFunction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 241
_BASELINE = "binary cross-entropy"


def probability_curve(loss: LossFunction, probability: Tensor, label: float) -> Tensor:
    """A binary loss as a function of the probability h of yes, at one label y.

    Args:
        loss: Any loss for binary problems.
        probability: h (G,), between 0 and 1, ends excluded.
        label: y, from 0 to 1.

    Returns:
        (G,) in float64.

    >>> probability_curve(BinaryCrossEntropy(), torch.tensor([0.5, 0.25]), label=0.0)
    tensor([0.6931, 0.2877], dtype=torch.float64)
    """
    logits = probability.double().logit().unsqueeze(1)
    with torch.no_grad():
        return loss.per_sample(logits, torch.full_like(logits, label))


def binary_figure(losses: Mapping[str, LossFunction]) -> Figure:
    """Losses against the probability h, beside binary cross-entropy, for y = 1 and y = 0.

    Losses differ in range and offset, neither of which changes what can be learned, so each is
    drawn as ::

        (L - min) / (max - min),   min and max over both panels, h from 0.01 to 0.99

    Args:
        losses: By the name that the legend shows.

    Raises:
        ValueError: If there is no loss.
    """
    check_losses(losses)
    drawn = {name: loss for name, loss in losses.items() if name != _BASELINE}
    styles = [*lines(list(drawn)), DOTTED]
    drawn[_BASELINE] = losses.get(_BASELINE, BinaryCrossEntropy())
    h = torch.linspace(0.01, 0.99, _POINTS, dtype=torch.float64)
    figure = new_figure(7.2, 4.3, "What a probability costs")
    panels = figure.subplots(1, 2, sharey=True)
    for (name, loss), style in zip(drawn.items(), styles, strict=True):
        curves = scaled(torch.stack([probability_curve(loss, h, y) for y in (1.0, 0.0)]))
        for axes, curve in zip(panels, curves, strict=True):
            axes.plot(h, curve, label=name, **style._asdict())
    for axes, y in zip(panels, (1, 0), strict=True):
        tidy(axes, f"Label y = {y}", "probability h")
        axes.set(xlim=(0, 1), ylim=(-0.06, 1.06))
    panels[0].set_ylabel("loss, scaled: 0 least, 1 greatest")
    legend_below(figure, panels[0])
    return figure
