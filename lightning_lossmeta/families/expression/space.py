"""The space of expressions: how large they may be, and how they are drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from deap import gp

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.expression.grammar import (
    OPERATORS,
    PRIMITIVES,
    PRIMITIVES_WITH_PROGRESS,
    VARIABLES,
    has_both_variables,
)
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.spaces import Seed, Space

#: Limits of any expression, whatever its family says.
MAX_HEIGHT = 17
MAX_NODES = 1000

#: Least and largest depth of the trees that :meth:`ExpressionSpace.sample` draws.
SAMPLED_DEPTHS = (2, 4)

_BINARY = [PRIMITIVES.mapping[name] for name, op in OPERATORS.items() if op.arity == 2]
_VARIABLES = [PRIMITIVES.mapping[name] for name in VARIABLES]


@dataclass(frozen=True)
class ExpressionSpace(Space):
    """The expressions of the grammar's operators that hold both f and y, up to a size.

    Args:
        max_height: Longest path from the root to a leaf, in edges.
        max_nodes: How many operators and terminals an expression has at the most.
        progress: Whether t is a terminal too; it need not occur.

    Raises:
        ValueError: If an argument is out of its range.

    >>> ExpressionSpace(max_height=1, max_nodes=3).sample(seed=0)
    Candidate(structure='min(y, f)', theta=(1.0, 1.0))
    """

    max_height: int = MAX_HEIGHT
    max_nodes: int = MAX_NODES
    progress: bool = False

    def __post_init__(self) -> None:
        _check_between("max_height", self.max_height, 1, MAX_HEIGHT)
        _check_between("max_nodes", self.max_nodes, 3, MAX_NODES)
        if not isinstance(self.progress, bool):
            raise ValueError(
                f"Expected argument `progress` to be True or False, got {self.progress!r:.80}."
            )

    @property
    def primitives(self) -> gp.PrimitiveSetTyped:
        """The operators and terminals of this space, as DEAP takes them."""
        return PRIMITIVES_WITH_PROGRESS if self.progress else PRIMITIVES

    def holds(self, tree: gp.PrimitiveTree) -> bool:
        """Whether a tree is an expression of this space."""
        small = tree.height <= self.max_height and len(tree) <= self.max_nodes
        known = all(node.name in self.primitives.mapping for node in tree)
        return small and known and has_both_variables(tree)

    def sample(self, seed: Seed) -> Candidate:
        """Draw a :meth:`random_tree` as it is written, that is, with weights of one."""
        with IsolatedRandom(int(np.random.default_rng(seed).integers(2**63))).active():
            tree = self.random_tree(*SAMPLED_DEPTHS)
        return Candidate(str(tree), (1.0,) * (len(tree) - 1))

    def random_tree(self, min_depth: int, max_depth: int) -> gp.PrimitiveTree:
        """Draw a tree by the ramped half-and-half method, and :meth:`correct` it.

        Random numbers are those of Python's ``random`` module.

        Args:
            min_depth: Least depth that is drawn, as far as the space allows it.
            max_depth: Largest depth, before the correction.
        """
        low, high = (min(depth, self.max_height) for depth in (min_depth, max_depth))
        while True:
            drawn = gp.PrimitiveTree(gp.genHalfAndHalf(self.primitives, low, high))
            tree = self.correct(drawn)
            if tree is not None:
                return tree
            low = 1  # small spaces may hold no full tree of the depth asked for

    def correct(self, tree: gp.PrimitiveTree) -> gp.PrimitiveTree | None:
        """See to it that a tree holds both f and y.

        Where one is missing, a random terminal gives way to a random binary operator with f and y
        as its arguments, in random order. Only terminals are drawn that have room for it.

        Args:
            tree: Changed in place.

        Returns:
            The tree, or ``None`` if it is too large.

        Source: Raymond et al. (2024), section 3.2.3.
        """
        if not has_both_variables(tree):
            depths = _depths(tree)
            places = [
                index
                for index, node in enumerate(tree)
                if node.arity == 0 and depths[index] < self.max_height
            ]
            if not places:
                return None
            index = random.choice(places)
            arguments = random.sample(_VARIABLES, 2)
            tree[index : index + 1] = [random.choice(_BINARY), *arguments]
        return tree if self.holds(tree) else None


def _depths(tree: gp.PrimitiveTree) -> list[int]:
    """How many edges each node is away from the root."""
    depths, following = [], [0]
    for node in tree:
        depth = following.pop()
        depths.append(depth)
        following.extend([depth + 1] * node.arity)
    return depths


def _check_between(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(
            f"Expected argument `{name}` to be an integer from {low} to {high}, got {value!r:.80}."
        )
