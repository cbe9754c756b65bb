"""Symbolic losses: an expression tree with a weight on every edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.families.expression.grammar import (
    CONSTANTS,
    OPERATORS,
    PROGRESS,
    fold,
)
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.elementwise import ElementwiseLoss
from lightning_lossmeta.losses.links import LINKS, Link
from lightning_lossmeta.losses.progress_dependent import register_progress

if TYPE_CHECKING:
    from typing_extensions import Self

# Above this, softplus is its argument to the last bit of a float64.
_LINEAR = 40.0


class ExpressionLoss(ElementwiseLoss):
    """An expression of the prediction f and the label y, averaged over a sample's entries.

    With w the weights and f, y those of entry k ::

        L = mean_k expression(f, y; w),   each argument of an operator multiplied by its edge's w

    One that also holds t, the share of the training's steps that are done, has it as the number
    ``progress``: see :func:`~lightning_lossmeta.losses.progress_dependent.set_progress`.

    Args:
        structure: The expression in prefix form, e.g. ``"square(sub(f, y))"``.
        theta: A weight for each edge, in the prefix order of the nodes below them: one fewer than
            there are nodes, since no edge leaves the root.
        nonnegative: Whether the root's value goes through a softplus.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.
        link: As in :class:`~lightning_lossmeta.losses.elementwise.ElementwiseLoss`.

    Raises:
        ValueError: If ``structure`` is no expression in f and y, or the weights do not fit it.

    Source: Raymond et al. (2024), sections 3.2 and 3.3; t is of their section 6.

    >>> brier = ExpressionLoss("square(sub(f, y))", [1, 1, 1])
    >>> brier(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.2500)
    >>> from lightning_lossmeta.losses import Identity, set_progress
    >>> fading = "mul(sub(+1, t), square(sub(f, y)))"
    >>> fading = ExpressionLoss(fading, [1] * 7, link=Identity())
    >>> set_progress(fading, 0.5)
    >>> fading(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """

    theta: Tensor

    def __init__(
        self,
        structure: str,
        theta: Sequence[float],
        nonnegative: bool = False,
        reduction: Reduction = "mean",
        link: Link | None = None,
    ) -> None:
        super().__init__(link, reduction)
        tree = parse_expression(structure)
        self.structure = str(tree)
        self.names = tuple(node.name for node in tree)
        if PROGRESS in self.names:
            register_progress(self)
        self.nonnegative = nonnegative
        if len(theta) != len(tree) - 1:
            raise ValueError(
                f"Expected argument `theta` to have {len(tree) - 1} weights, one an edge of an "
                f"expression of {len(tree)} nodes, got {len(theta)}."
            )
        if not all(math.isfinite(value) for value in theta):
            raise ValueError(f"Expected argument `theta` to be finite, got {list(theta)!r:.200}.")
        values = torch.tensor([float(value) for value in theta], dtype=torch.float64)
        self.register_buffer("theta", values, persistent=False)

    @classmethod
    def example(cls, link: Link | None = None) -> Self:
        """A quotient of the error and the prediction."""
        return cls("aq(sub(f, y), f)", [0.9, 0.8, 1.1, 2], link=link)

    @classmethod
    def examples(cls) -> list[Self]:
        """Without and with the progress of the training, for each link."""
        timed = "aq(sub(f, y), add(f, t))", [0.9, 0.8, 1.1, 2, 1, 0.5]
        return [loss for link in LINKS for loss in (cls.example(link), cls(*timed, link=link))]

    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Compute the expression entry by entry."""
        weights = self.theta.to(prediction.dtype).unbind()
        terminals = {"f": prediction, "y": label}
        if PROGRESS in self.names:
            terminals[PROGRESS] = self.get_buffer("progress").to(prediction.dtype)

        def value(name: str, arguments: list[Tensor]) -> Tensor:
            if name in CONSTANTS:
                return prediction.new_full((), CONSTANTS[name])
            return OPERATORS[name].function(*arguments) if arguments else terminals[name]

        root = fold(self.names, value, lambda edge, below: weights[edge] * below)
        return F.softplus(root, threshold=_LINEAR) if self.nonnegative else root

    def extra_repr(self) -> str:
        """Show expression and link in ``print``."""
        nonnegative = "nonnegative=True" if self.nonnegative else ""
        parts = (repr(self.structure), nonnegative, super().extra_repr())
        return ", ".join(filter(None, parts))
