"""The picture of losses for regression: what an error costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.analysis.loss_curves import check_losses
from lightning_lossmeta.analysis.style import Line, legend_below, lines, new_figure, tidy
from lightning_lossmeta.losses import LossFunction, RegressionSquaredError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 241
_SQUARED = "squared error"

#: How the baseline is drawn that stands beside the other losses.
DOTTED = Line("#606060", (0, (1, 1)))


def error_curve(loss: LossFunction, error: Tensor, target: float) -> Tensor:
    """A loss as a function of the error e = f - y at one target y.

    Args:
        loss: Any loss for regression.
        error: e (G,).
        target: y.

    Returns:
        (G,) in float64.

    >>> error_curve(RegressionSquaredError(), torch.tensor([-1.0, 0.0, 2.0]), target=5.0)
    tensor([1., 0., 4.], dtype=torch.float64)
    """
    y = torch.full((len(error), 1), target, dtype=torch.float64)
    with torch.no_grad():
        return loss.per_sample(y + error.double().unsqueeze(1), y)


def regression_figure(
    losses: Mapping[str, LossFunction],
    targets: Sequence[float] = (-2.0, 0.0, 2.0),
    reach: float = 3.0,
) -> Figure:
    """Losses against the error f - y, beside squared error, a panel a target y.

    A learned loss need not be a function of the error alone. Losses differ in range and offset,
    neither of which changes what can be learned, so each is drawn as ::

        (L - min) / (max - min),   min and max over all that is drawn

    Args:
        losses: By the name that the legend shows.
        targets: y of each panel; a standardised target is 0 on average.
        reach: The largest error that is drawn.

    Raises:
        ValueError: If there is no loss or target, or ``reach`` is not positive.

    Source: after figure 6 of Raymond et al. (2024).
    """
    check_losses(losses)
    if not targets or not reach > 0:
        raise ValueError(
            "Expected argument `targets` to hold at least one number and `reach` to be positive, "
            f"got {list(targets)} and {reach}."
        )
    drawn = {name: loss for name, loss in losses.items() if name != _SQUARED}
    styles = [*lines(list(drawn)), DOTTED]
    drawn[_SQUARED] = losses.get(_SQUARED, RegressionSquaredError())
    error = torch.linspace(-reach, reach, _POINTS, dtype=torch.float64)
    figure = new_figure(3.6 * max(2, len(targets)), 4.3, "What an error costs")
    panels = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
    for (name, loss), style in zip(drawn.items(), styles, strict=True):
        curves = scaled(torch.stack([error_curve(loss, error, y) for y in targets]))
        for axes, curve in zip(panels, curves, strict=True):
            axes.plot(error, curve, label=name, **style._asdict())
    for axes, y in zip(panels, targets, strict=True):
        axes.axvline(0, color="#999999", linewidth=1, zorder=0)
        tidy(axes, f"Target y = {y:g}", "error f - y")
        axes.set(xlim=(-reach, reach), ylim=(-0.06, 1.06))
    panels[0].set_ylabel("loss, scaled: 0 least, 1 greatest")
    legend_below(figure, panels[0])
    return figure


def scaled(values: Tensor) -> Tensor:
    """Values stretched to reach from 0 to 1; 0 where constant, NaN where not finite."""
    values = values.where(values.isfinite(), torch.nan)
    finite = values[~values.isnan()]
    if not len(finite):
        return values
    low, high = finite.min(), finite.max()
    return (values - low) / (high - low if high > low else torch.ones_like(low))
