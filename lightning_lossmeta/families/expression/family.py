"""The family of symbolic losses (Raymond et al., EvoMAL)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.expression.algebra import canonical_form, ordered
from lightning_lossmeta.families.expression.formula import formula
from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.families.expression.symbolic import symbolic
from lightning_lossmeta.families.problem import PROBLEMS, Problem, link_of, own_loss
from lightning_lossmeta.families.skeleton import Skeleton
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.progress_dependent import depends_on_progress

if TYPE_CHECKING:
    from typing_extensions import Self

_SQUARED = Candidate("square(sub(f, y))", (1.0,) * 3)
_ABSOLUTE = Candidate("abs(sub(f, y))", (1.0,) * 3)

# (y - 1) log(1 - h) - y log h
_BINARY = Candidate("sub(mul(sub(y, +1), log(sub(+1, f))), mul(y, log(f)))", (1.0,) * 12)

_BASELINES = {
    "classification": {
        "cross_entropy": Candidate("mul(y, log(f))", (-1.0, 1.0, 1.0)),
        "mse": _SQUARED,
        "mae": _ABSOLUTE,
    },
    "binary": {"binary_cross_entropy": _BINARY, "mse": _SQUARED, "mae": _ABSOLUTE},
    "regression": {"squared error": _SQUARED, "absolute error": _ABSOLUTE},
}


class ExpressionFamily(LossFamily):
    """All expressions of a prediction f and a target y, with a weight on every edge.

    A candidate's structure is the expression in prefix form, e.g. ``"square(sub(f, y))"``; its
    theta are the edges' weights, in the prefix order of the nodes below them. An edge joins an
    operator and one of its arguments, so that n nodes have n - 1 weights: as in the paper's
    figure 2, none follows the root.

    Args:
        problem: ``"classification"``: f is a softmax probability, y its entry of the one-hot or
            soft target, and values are averaged over the classes; ``"binary"``: f is a sigmoid
            probability, y its label; ``"regression"``: f and y are real.
        max_height: Longest path from the root to a leaf, in edges.
        max_nodes: Operators and terminals.
        nonnegative: Whether the value goes through a softplus.
        progress: Whether expressions may also hold t, the share of the training's steps that are
            done.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Raymond et al. (2024), sections 3.2 and 3.3; the height is that of their experiments,
    the time their section 6.

    >>> family = ExpressionFamily()
    >>> family.formula(Candidate("square(sub(f, y))", (1.0, 0.9, 1.0)))
    'mean_k[ (0.9 h - y)^2 ]'
    """

    name = "expression"
    space: ExpressionSpace
    former_settings: ClassVar[Mapping[str, str]] = {"task": "problem", "time": "progress"}
    later_settings: ClassVar[frozenset[str]] = frozenset({"progress"})

    def __init__(
        self,
        problem: Problem = "classification",
        max_height: int = 10,
        max_nodes: int = 200,
        nonnegative: bool = False,
        progress: bool = False,
    ) -> None:
        if not isinstance(nonnegative, bool):
            raise ValueError(
                f"Expected argument `nonnegative` to be True or False, got {nonnegative!r:.80}."
            )
        self.link = link_of(problem)
        self.problem = problem
        self.nonnegative = nonnegative
        self.space = ExpressionSpace(max_height, max_nodes, progress)

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each kind of problem."""
        return [cls(problem=problem) for problem in PROBLEMS]

    def build(self, candidate: Candidate) -> ExpressionLoss:
        """Build the loss of the candidate's expression with its weights."""
        structure = str(parse_expression(candidate.structure, self.space))
        return ExpressionLoss(structure, candidate.theta, self.nonnegative, link=self.link)

    def read(self, loss: LossFunction) -> Candidate:
        """Read the expression and its weights out of a loss."""
        own = own_loss(loss, ExpressionLoss, self.link)
        if depends_on_progress(own) and not self.space.progress:
            raise ValueError(
                "Expected an expression without the training's progress t, got "
                f"'{own.structure}': use ExpressionFamily(progress=True)."
            )
        return Candidate(own.structure, tuple(own.theta.tolist()))

    def formula(self, candidate: Candidate) -> str:
        """Write the expression with four significant digits."""
        loss = self.build(candidate)
        text = formula(loss.names, candidate.theta, self.link.letter)
        return self.link.averaged(f"softplus({text})" if self.nonnegative else text)

    def key(self, candidate: Candidate) -> str:
        """Name a candidate by its expression's canonical form, weights included."""
        return canonical_form(_names(candidate), candidate.theta)

    def skeleton(self, candidate: Candidate) -> Skeleton:
        """The tree up to the order of operands; weights of one are those of a new tree."""
        names, order = ordered(_names(candidate))
        untouched = all(weight == 1 for weight in candidate.theta)
        return Skeleton(" ".join(names), order, untouched)

    def expression(self, candidate: Candidate) -> Any:
        """The expression with weights as they are.

        Raises:
            NotImplementedError: If it depends on the training's progress, or SymPy finds it
                constant.
        """
        loss = self.build(candidate)
        if depends_on_progress(loss):
            raise NotImplementedError(
                f"The loss '{candidate.structure}' depends on the training's progress t, which an "
                "expression of one entry can't know: load its file by "
                "lightning_lossmeta.load_loss, and give it t by set_progress or TrainingProgress."
            )
        expression = symbolic(loss.names, candidate.theta, *self.link.symbols(), self.nonnegative)
        if expression.is_number:
            raise NotImplementedError(f"The loss '{candidate.structure}' is constant.")
        return expression

    def baselines(self) -> dict[str, Candidate]:
        """Usual losses, as far as they fit the limits; none behind a softplus.

        Values are averaged over the classes: cross-entropy is 1/n of the usual one.
        """
        if self.nonnegative:
            return {}
        return {
            name: candidate
            for name, candidate in _BASELINES[self.problem].items()
            if self.space.holds(parse_expression(candidate.structure))
        }

    def settings(self) -> dict[str, Any]:
        """The settings: kind of problem, limits, softplus, and whether losses may hold progress."""
        return {
            "problem": self.problem,
            "max_height": self.space.max_height,
            "max_nodes": self.space.max_nodes,
            "nonnegative": self.nonnegative,
            "progress": self.space.progress,
        }


def _names(candidate: Candidate) -> list[str]:
    """The names of a candidate's nodes in prefix order."""
    return [node.name for node in parse_expression(candidate.structure)]
