"""Symbolic losses: an expression tree with a weight on every edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.families.expression.grammar import (
    CONSTANTS,
    OPERATORS,
    fold,
)
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.losses.base import LossFunction, Reduction, soft_target
from lightning_lossmeta.losses.regression import RegressionLoss

# Above this, softplus is its argument to the last bit of a float64.
_LINEAR = 40.0


class WeightedExpression(LossFunction):
    """What symbolic losses of both kinds share.

    Args:
        structure: The expression in prefix form, e.g. ``"square(sub(f, y))"``.
        theta: A weight for each edge, in the prefix order of the nodes below them: one fewer than
            there are nodes, since no edge leaves the root.
        nonnegative: Whether the root's value goes through a softplus.
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.

    Raises:
        ValueError: If ``structure`` is no expression in f and y, or the weights do not fit it.
    """

    space: ClassVar[ExpressionSpace] = ExpressionSpace()
    theta: Tensor

    def __init__(
        self,
        structure: str,
        theta: Sequence[float],
        nonnegative: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction)
        tree = parse_expression(structure, self.space)
        self.structure = str(tree)
        self.names = tuple(node.name for node in tree)
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

    def expression(self, f: Tensor, y: Tensor) -> Tensor:
        """The expression, element by element, of two tensors of one shape and dtype."""
        weights = self.theta.to(f.dtype).unbind()
        terminals = self.variables(f, y)

        def value(name: str, arguments: list[Tensor]) -> Tensor:
            if name in CONSTANTS:
                return f.new_full((), CONSTANTS[name])
            return OPERATORS[name].function(*arguments) if arguments else terminals[name]

        root = fold(self.names, value, lambda edge, below: weights[edge] * below)
        return F.softplus(root, threshold=_LINEAR) if self.nonnegative else root

    def variables(self, f: Tensor, y: Tensor) -> dict[str, Tensor]:
        """What the expression may hold beside constants, by name."""
        return {"f": f, "y": y}

    def extra_repr(self) -> str:
        """The expression, for ``print``."""
        return f"{self.structure!r}" + (", nonnegative=True" if self.nonnegative else "")


class ExpressionLoss(WeightedExpression):
    """An expression of the softmax probability f and the label y, averaged over the classes.

    With w the weights and f, y those of class k ::

        L = mean_k expression(f, y; w),   each argument of an operator multiplied by its edge's w

    The arguments are those of :class:`WeightedExpression`.

    Source: Raymond et al. (2024), sections 3.2 and 3.3.

    >>> brier = ExpressionLoss("square(sub(f, y))", [1, 1, 1])
    >>> brier(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.2500)
    """

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, n, ...) -> (B, ...)."""
        return self.from_probabilities(output.softmax(dim=1), target)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The expression itself, of any h (B, n, ...)."""
        return self.expression(h, soft_target(h, target)).mean(dim=1)


class ExpressionRegressionLoss(WeightedExpression, RegressionLoss):
    """An expression of the output f and the target y, averaged over a sample's entries.

    The arguments are those of :class:`WeightedExpression`.

    Source: Raymond et al. (2024), sections 3.2 and 3.3.

    >>> squared = ExpressionRegressionLoss("square(sub(f, y))", [1, 1, 1])
    >>> squared(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def values(self, output: Tensor, target: Tensor) -> Tensor:
        """The expression, entry by entry."""
        return self.expression(output, target)
