"""Meta-loss networks: prediction and target in channels of their own, joined by convolutions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.base import LossFunction, Reduction

if TYPE_CHECKING:
    from typing_extensions import Self

Shape = tuple[int, ...]

#: Logarithms of probabilities, some units long, come into the range of the probabilities.
LOG_SCALE = 0.25

# Above this, softplus is its argument to the last bit of a float64.
_LINEAR = 40.0


class MetaLossNetwork(LossFunction):
    """What both forms of meta-loss networks share: a linear readout of units, averaged.

    With u_k the ``units`` of class k and v the readout, the last weights of ``theta`` ::

        L = mean_k v . u_k

    Args:
        theta: The weights, layer by layer.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.

    Raises:
        ValueError: If ``theta`` has the wrong length or is not finite.
    """

    theta: Tensor

    def __init__(self, theta: Sequence[float], reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        count = sum(map(math.prod, self.shapes()))
        if len(theta) != count:
            raise ValueError(
                f"Expected argument `theta` to have {count} entries for {self.written()}, got "
                f"{len(theta)}."
            )
        if not all(math.isfinite(value) for value in theta):
            raise ValueError(f"Expected argument `theta` to be finite, got {list(theta)!r:.200}.")
        values = torch.tensor([float(value) for value in theta], dtype=torch.float64)
        self.register_buffer("theta", values, persistent=False)

    @abstractmethod
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of the weights and biases in ``theta``; the last is the readout's."""

    @abstractmethod
    def units(self, output: Tensor, target: Tensor) -> Tensor:
        """The units that the readout sees, (B, n, ..., m)."""

    @abstractmethod
    def written(self) -> str:
        """The network in a few words."""

    def layers(self, dtype: torch.dtype) -> list[Tensor]:
        """The weights and biases in their shapes, as views of ``theta``."""
        sizes = [math.prod(shape) for shape in self.shapes()]
        bounds = pairwise(accumulate(sizes, initial=0))
        theta = self.theta.to(dtype)
        return [
            theta[start:end].view(shape)
            for (start, end), shape in zip(bounds, self.shapes(), strict=True)
        ]

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, n, ...) -> (B, ...)."""
        readout = self.layers(output.dtype)[-1]
        return self.link.reduce(self.units(output, target) @ readout, target)

    def extra_repr(self) -> str:
        """Show the layers in ``print``."""
        return self.written()


class FreeMetaLossNetwork(MetaLossNetwork):
    """A meta-loss network for any number of classes, whose order makes no difference.

    With h = softmax(z), y the one-hot or soft target, s the softplus function ::

        p_k = s(A [h_k, log(h_k) / 4] + a)            the prediction's channels
        q_k = s(B y_k + b)                            the target's channels
        c   = sum_j y_j p_j                           what the prediction's say of the target class
        L   = mean_k v . s(W [p_k, q_k, c] + w)       the joining convolutions, of width 1

    All weights are shared by the classes. A, a, B, b, W, w and v stand in ``theta`` in this order,
    row by row.

    Args:
        theta: The weights.
        channels: Channels of the prediction, and of the target.
        hidden: Units of the joining convolution.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.

    Raises:
        ValueError: If a number is below 1, or ``theta`` has the wrong length or is not finite.

    Source: Hai & Liu (2021), "Evolving parametrized loss for image classification learning on
    small datasets", whose network is tied to ten classes and sees no logarithm.

    >>> theta = [1, 0, 0, 4, 0, 1, 0, 0, 0, -1]  # -mean_k s(s(h_k))
    >>> FreeMetaLossNetwork(theta, channels=1, hidden=1)(torch.zeros(1, 2), torch.tensor([0]))
    tensor(-1.2944)
    """

    def __init__(
        self,
        theta: Sequence[float],
        channels: int = 4,
        hidden: int = 8,
        reduction: Reduction = "mean",
    ) -> None:
        check_at_least(1, channels=channels, hidden=hidden)
        self.channels, self.hidden = channels, hidden
        super().__init__(theta, reduction)

    @classmethod
    def example(cls) -> Self:
        """Few channels with random weights."""
        theta = torch.randn(34, generator=torch.Generator().manual_seed(1))
        return cls((0.5 * theta).tolist(), channels=2, hidden=3)

    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of A, a, B, b, W, w and v."""
        c, m = self.channels, self.hidden
        return (c, 2), (c,), (c, 1), (c,), (m, 3 * c), (m,), (m,)

    def units(self, output: Tensor, target: Tensor) -> Tensor:
        """The units of the joining convolution, (B, n, ..., m)."""
        a_weight, a_bias, b_weight, b_bias, weight, bias, _ = self.layers(output.dtype)
        label = self.link.label(output, target).unsqueeze(-1)
        log_h = output.log_softmax(dim=1)
        seen = torch.stack([log_h.exp(), LOG_SCALE * log_h], dim=-1)
        prediction = _softplus(F.linear(seen, a_weight, a_bias))
        own = _softplus(F.linear(label, b_weight, b_bias))
        context = (label * prediction).sum(dim=1, keepdim=True).expand_as(prediction)
        return _softplus(F.linear(torch.cat([prediction, own, context], dim=-1), weight, bias))

    def written(self) -> str:
        """Widths of the layers."""
        c, m = self.channels, self.hidden
        return f"h: 2-{c}, y: 1-{c}, joined: {3 * c}-{m}-1"


class FixedMetaLossNetwork(MetaLossNetwork):
    """A meta-loss network for one number of classes, as in the paper.

    With h = softmax(z), y the one-hot or soft target, s the softplus function ::

        p = s(A h + a),   q = s(B y + b)              n numbers each, a channel each
        L = mean_k v . s(conv_k([p, q]) + w)          a convolution of width 3 along the classes

    The order of the classes makes a difference. A, a, B, b, the convolution's weight (m, 2, 3) and
    bias w, and v stand in ``theta`` in this order, row by row.

    Args:
        theta: The weights.
        num_classes: n.
        hidden: Units m of the convolution.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.

    Raises:
        ValueError: If a number is too small, or ``theta`` has the wrong length or is not finite;
            later, if it is called with another number of classes.

    Source: Hai & Liu (2021), figure 3, which gives no widths.
    """

    num_classes: int

    def __init__(
        self,
        theta: Sequence[float],
        num_classes: int = 10,
        hidden: int = 8,
        reduction: Reduction = "mean",
    ) -> None:
        check_at_least(2, num_classes=num_classes)
        check_at_least(1, hidden=hidden)
        self.num_classes, self.hidden = num_classes, hidden
        super().__init__(theta, reduction)

    @classmethod
    def example(cls) -> Self:
        """Three classes, random weights."""
        theta = torch.randn(40, generator=torch.Generator().manual_seed(1))
        return cls((0.5 * theta).tolist(), num_classes=3, hidden=2)

    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of A, a, B, b, the convolution's weight and bias, and v."""
        n, m = self.num_classes, self.hidden
        return (n, n), (n,), (n, n), (n,), (m, 2, 3), (m,), (m,)

    def units(self, output: Tensor, target: Tensor) -> Tensor:
        """The units of the convolution, (B, n, ..., m)."""
        label = self.link.label(output, target)
        if output.shape[1] != self.num_classes:
            raise ValueError(
                f"Expected logits of {self.num_classes} classes for a loss that is fixed to "
                f"them, got {output.shape[1]}: take a loss of MetaLossNetworkFamily() without "
                "`num_classes`, which takes any number."
            )
        a_weight, a_bias, b_weight, b_bias, weight, bias, _ = self.layers(output.dtype)
        seen = output.softmax(dim=1).movedim(1, -1)  # (B, ..., n)
        prediction = _softplus(F.linear(seen, a_weight, a_bias))
        own = _softplus(F.linear(label.movedim(1, -1), b_weight, b_bias))
        both = torch.stack([prediction, own], dim=-2).flatten(0, -3)  # (N, 2, n)
        units = _softplus(F.conv1d(both, weight, bias, padding=1))
        return units.view(*seen.shape[:-1], self.hidden, self.num_classes).movedim(-1, 1)

    def written(self) -> str:
        """Number of classes and width of the convolution."""
        n, m = self.num_classes, self.hidden
        return f"h: {n}-{n}, y: {n}-{n}, convolved: 2-{m}-1"


def _softplus(values: Tensor) -> Tensor:
    return F.softplus(values, threshold=_LINEAR)
