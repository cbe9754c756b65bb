"""What genetic programming does to trees, by DEAP's operators; random numbers are Python's own."""

from __future__ import annotations

from functools import partial

from deap import gp

from lightning_lossmeta.families.expression.space import ExpressionSpace


def crossover(
    first: gp.PrimitiveTree, second: gp.PrimitiveTree, space: ExpressionSpace
) -> gp.PrimitiveTree | None:
    """Replace a random subtree of one tree by one of another's.

    Args:
        first: The tree that loses a subtree; it is copied.
        second: The tree that a subtree is taken from; it is copied.
        space: How large the child may be.

    Returns:
        The child, corrected to hold f and y, or ``None`` if it is too large.
    """
    child, _ = gp.cxOnePoint(gp.PrimitiveTree(first), gp.PrimitiveTree(second))
    return space.correct(child)


def mutate(tree: gp.PrimitiveTree, space: ExpressionSpace) -> gp.PrimitiveTree | None:
    """Replace a random subtree by a new one of depth 0 to 2.

    Args:
        tree: The tree that loses a subtree; it is copied.
        space: How large the child may be.

    Returns:
        The child, corrected to hold f and y, or ``None`` if it is too large.
    """
    subtree = partial(gp.genHalfAndHalf, min_=0, max_=2)
    (child,) = gp.mutUniform(gp.PrimitiveTree(tree), subtree, space.primitives)
    return space.correct(child)
