"""How two parents make two children, in each kind of space; random numbers are Python's own."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from deap import gp, tools

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.families.spaces import VectorSpace
from lightning_lossmeta.searchers.genetic_operators import crossover, mutate


class Breeding(ABC):
    """Draws candidates of one kind of space, and varies them."""

    @abstractmethod
    def first(self, count: int, generator: np.random.Generator) -> list[Candidate]:
        """The candidates that a search begins with.

        Args:
            count: How many there are.
            generator: Draws those that are random.
        """

    @abstractmethod
    def sample(self, generator: np.random.Generator) -> Candidate:
        """A candidate at random."""

    @abstractmethod
    def children(self, first: Candidate, second: Candidate) -> tuple[Candidate, Candidate]:
        """Two children of two parents."""

    @abstractmethod
    def diversity(self, parents: Sequence[Candidate]) -> float:
        """How far parents differ from each other."""


@dataclass(frozen=True)
class VectorBreeding(Breeding):
    """Simulated binary crossover and polynomial mutation within bounds, by DEAP.

    Args:
        space: The vectors; the search begins at its start.
        sigma: Standard deviation of the first vectors around the start.
        reach: The bounds are ``start - reach sigma`` and ``start + reach sigma``.
        crossover: Probability with which two parents are crossed.
        eta: Distribution index of both operators: the larger, the nearer are children to parents.
    """

    space: VectorSpace
    sigma: float
    reach: float
    crossover: float
    eta: float

    def first(self, count: int, generator: np.random.Generator) -> list[Candidate]:
        """The start, and samples around it."""
        drawn = [self.sample(generator) for _ in range(count - 1)]
        return [Candidate(None, tuple(map(float, self.space.start))), *drawn]

    def sample(self, generator: np.random.Generator) -> Candidate:
        """What the space draws, within the bounds."""
        return Candidate(None, tuple(self._bounded(self.space.sample(generator, self.sigma))))

    def children(self, first: Candidate, second: Candidate) -> tuple[Candidate, Candidate]:
        """Crossed with the given probability, then mutated, on average in one coordinate each."""
        a, b = self._bounded(first), self._bounded(second)
        low, high = self._bounds()
        if random.random() <= self.crossover:
            tools.cxSimulatedBinaryBounded(a, b, eta=self.eta, low=low, up=high)
        for child in (a, b):
            tools.mutPolynomialBounded(
                child, eta=self.eta, low=low, up=high, indpb=1 / max(1, len(child))
            )
        return Candidate(None, tuple(map(float, a))), Candidate(None, tuple(map(float, b)))

    def diversity(self, parents: Sequence[Candidate]) -> float:
        """The standard deviation of a coordinate, the mean over all."""
        if not parents or not self.space.dimension:
            return math.nan
        return float(np.std([item.theta for item in parents], axis=0).mean())

    def _bounds(self) -> tuple[list[float], list[float]]:
        width = self.reach * self.sigma
        start = self.space.start
        return [float(x - width) for x in start], [float(x + width) for x in start]

    def _bounded(self, candidate: Candidate) -> list[float]:
        limits = zip(candidate.theta, *self._bounds(), strict=True)
        return [min(max(value, low), high) for value, low, high in limits]


@dataclass(frozen=True)
class TreeBreeding(Breeding):
    """One-point crossover and uniform mutation of genetic programming, by DEAP.

    Args:
        space: The expressions.
        crossover: Probability with which a child is crossed; the others are mutated.
    """

    space: ExpressionSpace
    crossover: float

    def first(self, count: int, generator: np.random.Generator) -> list[Candidate]:
        """Random expressions."""
        return [self.sample(generator) for _ in range(count)]

    def sample(self, generator: np.random.Generator) -> Candidate:
        """A random expression."""
        return self.space.sample(generator)

    def children(self, first: Candidate, second: Candidate) -> tuple[Candidate, Candidate]:
        """Each parent crossed with the other, or mutated; with weights of one.

        A child that is too large, or its parent again, gives way to a mutated parent, and that to
        the parent itself.
        """
        return self._child(first, second), self._child(second, first)

    def _child(self, own: Candidate, other: Candidate) -> Candidate:
        tree, partner = (parse_expression(item.structure, self.space) for item in (own, other))
        child: gp.PrimitiveTree | None = None
        if random.random() <= self.crossover:
            child = crossover(tree, partner, self.space)
        if child is None or child == tree:
            child = mutate(tree, self.space)
        if child is None or child == tree:
            return own
        return Candidate(str(child), (1.0,) * (len(child) - 1))

    def diversity(self, parents: Sequence[Candidate]) -> float:
        """The share of expressions that differ from each other."""
        if not parents:
            return math.nan
        return len({item.structure for item in parents}) / len(parents)
