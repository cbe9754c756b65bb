"""What genetic programming does to trees, by DEAP's operators; random numbers are Python's own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from deap import gp

from lightning_lossmeta.families.expression.grammar import (
    OPERATORS,
    PRIMITIVES,
    VARIABLES,
    ExpressionSpace,
    has_both_variables,
)

_BINARY = [PRIMITIVES.mapping[name] for name, op in OPERATORS.items() if op.arity == 2]
_VARIABLES = [PRIMITIVES.mapping[name] for name in VARIABLES]


class OwnRandomness:
    """A state of Python's random module, from which DEAP draws, kept apart from all others.

    Args:
        seed: Where it begins.
    """

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draws go on from this state, and the module's own comes back afterwards."""
        outside = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(outside)


def random_tree(space: ExpressionSpace, min_depth: int, max_depth: int) -> gp.PrimitiveTree:
    """A tree by the ramped half-and-half method, corrected to hold f and y.

    Args:
        space: How large it may be; also bounds the depths.
        min_depth: Least depth that is drawn.
        max_depth: Largest.
    """
    low, high = (min(depth, space.max_height) for depth in (min_depth, max_depth))
    while True:
        drawn = gp.PrimitiveTree(gp.genHalfAndHalf(space.primitives, low, high))
        tree = corrected(drawn, space)
        if tree is not None:
            return tree
        low = 1  # small spaces may hold no full tree of the depth asked for


def crossed(
    first: gp.PrimitiveTree, second: gp.PrimitiveTree, space: ExpressionSpace
) -> gp.PrimitiveTree | None:
    """A tree with one of its subtrees replaced by one of another's; ``None`` if it is too large."""
    child, _ = gp.cxOnePoint(gp.PrimitiveTree(first), gp.PrimitiveTree(second))
    return corrected(child, space)


def mutated(tree: gp.PrimitiveTree, space: ExpressionSpace) -> gp.PrimitiveTree | None:
    """A tree with a subtree replaced by a random one of depth 0 to 2; ``None`` if too large."""
    subtree = partial(gp.genHalfAndHalf, min_=0, max_=2)
    (child,) = gp.mutUniform(gp.PrimitiveTree(tree), subtree, space.primitives)
    return corrected(child, space)


def corrected(tree: gp.PrimitiveTree, space: ExpressionSpace) -> gp.PrimitiveTree | None:
    """A tree that holds both f and y.

    Where one is missing, a random terminal gives way to a random binary operator with f and y as
    its arguments, in random order. Only terminals are drawn that have room for it.

    Args:
        tree: Changed in place.
        space: How large the result may be.

    Returns:
        The tree, or ``None`` if it is too large.

    Source: Raymond et al. (2024), section 3.2.3.
    """
    if not has_both_variables(tree):
        depths = _depths(tree)
        places = [
            index
            for index, node in enumerate(tree)
            if node.arity == 0 and depths[index] < space.max_height
        ]
        if not places:
            return None
        index = random.choice(places)
        arguments = random.sample(_VARIABLES, 2)
        tree[index : index + 1] = [random.choice(_BINARY), *arguments]
    return tree if space.holds(tree) else None


def _depths(tree: gp.PrimitiveTree) -> list[int]:
    """How many edges each node is away from the root."""
    depths, following = [], [0]
    for node in tree:
        depth = following.pop()
        depths.append(depth)
        following.extend([depth + 1] * node.arity)
    return depths
