"""Losses of the target's probability that weigh confident samples by a power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lightning_lossmeta.families.base import UnusableLossError
from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.links import LINKS, Identity, Link, soft_target, without
from lightning_lossmeta.losses.progress_dependent import register_progress

if TYPE_CHECKING:
    from typing_extensions import Self

#: What a, c and s, or their logarithms, are called, in the order of theta.
NAMES = ("log a", "log c", "log s")

#: The largest absolute value of an entry of theta: past it a loss is constant or cross-entropy.
LARGEST = 10.0


class PowerLoss(ElementwiseLoss):
    """From cross-entropy to the mean absolute error and beyond it, in three numbers.

    With p the probability of the target's class ::

        L = s [ (1 - p^a) / a - c log p ]
        dL/dz = s (p^a + c) (h - y)

    so that p^a + c is what a sample counts for beside the others. It holds generalised
    cross-entropy (a < 1, c = 0), the mean absolute error (a = 1, c = 0), symmetric cross-entropy
    (a = 1, c > 0) and cross-entropy (a -> 0, or c alone); with a > 1 samples count little
    until the network has begun to believe them. Soft targets weigh the loss of each class,
    L = sum_k y_k L(h_k). Of a sigmoid's entries, p is the probability that the label has.

    Args:
        theta: log a, log c and log s, natural logarithms; or these three at the start of training,
            then at its end, between which they move in a straight line.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.
        link: :class:`~lightning_lossmeta.losses.links.Softmax` by default, or
            :class:`~lightning_lossmeta.losses.links.Sigmoid`.

    Raises:
        ValueError: If ``theta`` has neither 3 nor 6 finite entries, or the link is for numbers.
        UnusableLossError: If an entry is above 10 or below -10.

    >>> absolute = PowerLoss([0.0, -10.0, 0.0])  # 1 - p, and 0.00005 of cross-entropy
    >>> absolute(torch.zeros(1, 4), torch.tensor([2]))
    tensor(0.7501)
    """

    theta: Tensor

    def __init__(
        self, theta: Sequence[float], reduction: Reduction = "mean", link: Link | None = None
    ) -> None:
        super().__init__(link, reduction)
        if self.link.problem == Identity.problem:
            raise ValueError(f"Expected a link that gives probabilities, got {self.link!r}.")
        if len(theta) not in (3, 6) or not all(math.isfinite(value) for value in theta):
            raise ValueError(
                "Expected argument `theta` to hold 3 finite numbers, or 6 for a loss that changes "
                f"in the course of training, got {list(theta)}."
            )
        if any(abs(value) > LARGEST for value in theta):
            raise UnusableLossError(
                f"Expected the entries of `theta`, which are logarithms, to lie from -{LARGEST:g} "
                f"to {LARGEST:g}, got {list(theta)}."
            )
        values = torch.tensor([float(value) for value in theta], dtype=torch.float64)
        self.register_buffer("theta", values, persistent=False)
        if len(theta) == 6:
            register_progress(self)

    @classmethod
    def example(cls, link: Link | None = None) -> Self:
        """A loss with a > 1, as searches for noisy labels find it."""
        return cls((0.5, -4.0, 0.2), link=link)

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each link that gives probabilities."""
        return [cls.example(link) for link in LINKS if link.problem != Identity.problem]

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample: (B, n, ...) -> (B, ...) for classes, else (B, ...) -> (B,)."""
        label = self.link.label(output, target)
        if self.link.simplex:
            losses = (label * self._of_log(output.log_softmax(dim=1))).sum(dim=1)
            return without(losses, self.link.ignored(target))
        yes, no = self._of_log(logsigmoid(output)), self._of_log(logsigmoid(-output))
        return self.link.reduce(label * yes + (1 - label) * no, target)

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """The formula, entry by entry; of n classes n times it, since entries are averaged."""
        yes = self._of_log(prediction.log())
        if self.link.simplex:
            return prediction.shape[1] * label * yes
        return label * yes + (1 - label) * self._of_log((-prediction).log1p())

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The formula at any positive h (B, n, ...); ``ignore_index`` is not looked for."""
        if not self.link.simplex:
            return super().from_probabilities(h, target)
        losses: Tensor = (soft_target(h, target) * self._of_log(h.log())).sum(dim=1)
        return losses

    def _of_log(self, log_p: Tensor) -> Tensor:
        """S [(1 - p^a) / a - c log p] of log p, without cancellation where p is near one."""
        theta = self.theta
        if len(theta) == 6:
            theta = torch.lerp(theta[:3], theta[3:], self.progress.to(theta))  # type: ignore[arg-type]
        a, c, s = theta.exp().to(log_p.dtype).unbind()
        return s * (-torch.expm1(a * log_p) / a - c * log_p)
