"""The family of symbolic losses (Raymond et al., EvoMAL)."""

from __future__ import annotations

from typing import Any, Literal

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily, class_symbols
from lightning_lossmeta.families.expression_formula import formula
from lightning_lossmeta.families.expression_grammar import ExpressionSpace
from lightning_lossmeta.families.expression_loss import (
    ExpressionLoss,
    ExpressionRegressionLoss,
    WeightedExpression,
)
from lightning_lossmeta.families.expression_parser import parse_expression
from lightning_lossmeta.families.expression_symbolic import symbolic
from lightning_lossmeta.losses.base import LossFunction

_KINDS: dict[str, type[WeightedExpression]] = {
    "classification": ExpressionLoss,
    "regression": ExpressionRegressionLoss,
}


class ExpressionFamily(LossFamily):
    """All expressions of a prediction f and a target y, with a weight on every edge.

    A candidate's structure is the expression in prefix form, e.g. ``"square(sub(f, y))"``; its
    theta are the edges' weights, in the prefix order of the nodes below them. An edge joins an
    operator and one of its arguments, so that n nodes have n - 1 weights: as in the paper's
    figure 2, none follows the root.

    Args:
        task: ``"classification"``: f is a softmax probability, y its entry of the one-hot or soft
            target, and values are averaged over the classes; ``"regression"``: f and y are real.
        max_height: Longest path from the root to a leaf, in edges.
        max_nodes: Operators and terminals.
        nonnegative: Whether the value goes through a softplus.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Raymond et al. (2024), sections 3.2 and 3.3; the height is that of their experiments.

    >>> family = ExpressionFamily()
    >>> family.formula(Candidate("square(sub(f, y))", (1.0, 0.9, 1.0)))
    'mean_k[ (0.9 h - y)^2 ]'
    """

    name = "expression"

    def __init__(
        self,
        task: Literal["classification", "regression"] = "classification",
        max_height: int = 10,
        max_nodes: int = 200,
        nonnegative: bool = False,
    ) -> None:
        if not isinstance(task, str) or task not in _KINDS:
            raise ValueError(
                f"Expected argument `task` to be one of {list(_KINDS)}, got {task!r:.80}."
            )
        if not isinstance(nonnegative, bool):
            raise ValueError(
                f"Expected argument `nonnegative` to be True or False, got {nonnegative!r:.80}."
            )
        self.task = task
        self.nonnegative = nonnegative
        self.space = ExpressionSpace(max_height, max_nodes)

    def build(self, candidate: Candidate) -> WeightedExpression:
        """The candidate's expression with its weights."""
        parse_expression(candidate.structure, self.space)
        return _KINDS[self.task](str(candidate.structure), candidate.theta, self.nonnegative)

    def read(self, loss: LossFunction) -> Candidate:
        """Expression and weights."""
        kind = _KINDS[self.task]
        if not isinstance(loss, kind):
            raise ValueError(f"Expected an {kind.__name__}, got {type(loss).__name__}.")
        return Candidate(loss.structure, tuple(loss.theta.tolist()))

    def formula(self, candidate: Candidate) -> str:
        """The expression with four significant digits."""
        loss = self.build(candidate)
        classes = self.task == "classification"
        text = formula(loss.names, candidate.theta, "h" if classes else "f")
        text = f"softplus({text})" if self.nonnegative else text
        return f"mean_k[ {text} ]" if classes else f"mean[ {text} ]"

    def expression(self, candidate: Candidate) -> Any:
        """The expression with weights as they are.

        Raises:
            NotImplementedError: If it is for regression, or SymPy finds it constant.
        """
        if self.task != "classification":
            raise NotImplementedError("Losses for regression are not written class by class.")
        loss = self.build(candidate)
        found = symbolic(loss.names, candidate.theta, *class_symbols(), self.nonnegative)
        if found.is_number:
            raise NotImplementedError(f"The loss '{candidate.structure}' is constant.")
        return found

    def settings(self) -> dict[str, Any]:
        """Kind of task, limits and softplus."""
        return {
            "task": self.task,
            "max_height": self.space.max_height,
            "max_nodes": self.space.max_nodes,
            "nonnegative": self.nonnegative,
        }
