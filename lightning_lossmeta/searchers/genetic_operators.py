"""What genetic programming does to trees, by DEAP's operators; random numbers are Python's own."""

from __future__ import annotations

from functools import partial

from deap import gp

from lightning_lossmeta.families.expression.space import ExpressionSpace


def crossed(
    first: gp.PrimitiveTree, second: gp.PrimitiveTree, space: ExpressionSpace
) -> gp.PrimitiveTree | None:
    """A tree with one of its subtrees replaced by one of another's; ``None`` if it is too large."""
    child, _ = gp.cxOnePoint(gp.PrimitiveTree(first), gp.PrimitiveTree(second))
    return space.corrected(child)


def mutated(tree: gp.PrimitiveTree, space: ExpressionSpace) -> gp.PrimitiveTree | None:
    """A tree with a subtree replaced by a random one of depth 0 to 2; ``None`` if too large."""
    subtree = partial(gp.genHalfAndHalf, min_=0, max_=2)
    (child,) = gp.mutUniform(gp.PrimitiveTree(tree), subtree, space.primitives)
    return space.corrected(child)
