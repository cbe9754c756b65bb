"""Losses that are small feed-forward networks of a prediction and its target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.links import LINKS, Link

if TYPE_CHECKING:
    from typing_extensions import Self

#: More weights than any published loss network has: 2-400-400-1 has 162,001.
MAX_WEIGHTS = 200_000

# Above this, softplus is its argument to the last bit of a float64.
_LINEAR = 40.0


def network_widths(hidden: Sequence[int]) -> tuple[int, ...]:
    """Widths of all layers, from the two inputs to the one output.

    Args:
        hidden: Units of each hidden layer.

    Raises:
        ValueError: If there is no hidden layer, a width is no positive integer, or there are more
            than 200,000 weights.

    >>> network_widths([50, 50])
    (2, 50, 50, 1)
    """
    widths = list(hidden) if isinstance(hidden, (list, tuple)) else []
    whole = all(isinstance(width, int) and not isinstance(width, bool) for width in widths)
    if not (widths and whole and min(widths) > 0 and count_weights((2, *widths, 1)) <= MAX_WEIGHTS):
        raise ValueError(
            "Expected argument `hidden` to be a list of at least one positive integer, for at most "
            f"{MAX_WEIGHTS} weights in all, got {hidden!r:.80}."
        )
    return (2, *widths, 1)


def count_weights(widths: Sequence[int]) -> int:
    """Count the weights and biases of the layers between these widths.

    >>> count_weights((2, 50, 50, 1))
    2751
    """
    return sum(before * after + after for before, after in pairwise(widths))


def layers(theta: Tensor, widths: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight (out, in) and bias (out,) of each layer, as views of ``theta``.

    They stand there one after the other, as ``torch.nn.utils.parameters_to_vector`` puts those of
    an ``nn.Sequential`` of ``nn.Linear``.
    """
    place = 0
    for before, after in pairwise(widths):
        middle, end = place + before * after, place + before * after + after
        yield theta[place:middle].view(after, before), theta[middle:end]
        place = end


class NetworkLoss(ElementwiseLoss):
    """A network of the prediction f and the label y, averaged over a sample's entries.

    With W, b the weights and biases that ``theta`` holds, layer by layer ::

        L = mean_k network(f_k, y_k)
        network(f, y) = softplus(W_n relu(... relu(W_1 [f, y] + b_1) ...) + b_n)

    Args:
        theta: Of each layer the weight, row by row, then the bias.
        hidden: Units of each hidden layer.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.
        link: As in :class:`~lightning_lossmeta.losses.elementwise.ElementwiseLoss`.

    Raises:
        ValueError: If ``theta`` has the wrong length or is not finite, or ``hidden`` is no list of
            widths.

    Source: Bechtle et al. (2021), "Meta learning via learned loss" (ML3). Theirs sees all classes
    of a sample at once; class by class, one loss serves any number of classes.

    >>> loss = NetworkLoss([1, 0, 0, 1, 0], hidden=[1])  # softplus(relu(f))
    >>> loss(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.9741)
    >>> from lightning_lossmeta.losses import Identity
    >>> loss = NetworkLoss([1, -1, 0, 1, 0], hidden=[1], link=Identity())  # softplus(relu(f - y))
    >>> loss(torch.tensor([2.0]), torch.tensor([1.0]))
    tensor(1.3133)
    """

    theta: Tensor

    def __init__(
        self,
        theta: Sequence[float],
        hidden: Sequence[int] = (50, 50),
        reduction: Reduction = "mean",
        link: Link | None = None,
    ) -> None:
        super().__init__(link, reduction)
        self.widths = network_widths(hidden)
        if len(theta) != (count := count_weights(self.widths)):
            raise ValueError(
                f"Expected argument `theta` to have {count} entries for a network "
                f"{written(self.widths)}, got {len(theta)}."
            )
        if not all(math.isfinite(value) for value in theta):
            raise ValueError(f"Expected argument `theta` to be finite, got {list(theta)!r:.200}.")
        values = torch.tensor([float(value) for value in theta], dtype=torch.float64)
        self.register_buffer("theta", values, persistent=False)

    @classmethod
    def example(cls, link: Link | None = None) -> Self:
        """Two small layers with random weights."""
        hidden = (5, 4)
        generator = torch.Generator().manual_seed(1)
        theta = torch.randn(count_weights(network_widths(hidden)), generator=generator)
        return cls((0.5 * theta).tolist(), hidden, link=link)

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each link."""
        return [cls.example(link) for link in LINKS]

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Run the network on each entry."""
        units = torch.stack([prediction, label], dim=-1)
        *inner, (weight, bias) = layers(self.theta.to(prediction.dtype), self.widths)
        for inner_weight, inner_bias in inner:
            units = F.linear(units, inner_weight, inner_bias).relu()
        return F.softplus(F.linear(units, weight, bias), threshold=_LINEAR).squeeze(-1)

    def extra_repr(self) -> str:
        """Show widths and link in ``print``."""
        return ", ".join(filter(None, (written(self.widths), super().extra_repr())))


def written(widths: Sequence[int]) -> str:
    """Write widths as papers do.

    >>> written((2, 50, 50, 1))
    '2-50-50-1'
    """
    return "-".join(map(str, widths))
