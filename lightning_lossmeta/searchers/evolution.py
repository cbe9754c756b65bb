"""A (mu + lambda) evolution strategy with self-adaptive strengths, by DEAP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from deap import tools

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.spaces import Space, VectorSpace
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.searchers.base import Searcher


class Genome(list[float]):
    """Weights, and the strength with which each of them is mutated, as DEAP takes them.

    Args:
        theta: The weights.
        strategy: A standard deviation a weight.
    """

    def __init__(self, theta: Sequence[float], strategy: Sequence[float]) -> None:
        super().__init__(theta)
        self.strategy = list(strategy)


@dataclass
class Individual:
    """A genome with its scores so far.

    Args:
        genome: Weights and strengths.
        mean: The mean of its scores, each less what its generation was easier than others.
        count: How many there are.
        fitness: What it is believed to be worth; ``-inf`` where it could not be trained.
    """

    genome: Genome
    mean: float = 0.0
    count: int = 0
    fitness: float = -math.inf

    def candidate(self) -> Candidate:
        """The candidate that a family builds a loss of."""
        return Candidate(None, tuple(self.genome))

    def scored(self, score: float) -> None:
        """Take a score into the mean."""
        self.count += 1
        self.mean += (score - self.mean) / self.count


class EvolutionStrategySearcher(Searcher):
    """An evolution strategy in which parents compete with their children, (mu + lambda).

    Every weight has a mutation strength of its own, which is inherited and mutated too ::

        sigma_i' = sigma_i exp(tau_0 N(0, 1) + tau N_i(0, 1)),   x_i' = x_i + sigma_i' N_i(0, 1)
        tau_0 = 1 / sqrt(2 n),   tau = 1 / sqrt(2 sqrt(n))       for n weights

    Each generation scores the parents again beside their children, all on the same fresh trainings,
    so that no parent lives on a lucky draw. A parent's score is the mean over its generations. As
    one generation may be easier than another, each score is first lowered by how much better than
    before the parents did there. A short record counts less: ``caution`` further scores, all equal
    to the parents' mean, are thought of beside everybody's own.

    The first parents are the space's start and samples around it; so are the substitutes of parents
    that can't be trained.

    Args:
        parents: mu, how many survive a generation.
        children: lambda, how many are new in each; those of one parent after the other.
        sigma: Strength of all mutations at first, and of the noise on the first parents.
        caution: How many average scores are thought of beside those of a candidate.

    Raises:
        ValueError: If a number is below 1, ``sigma`` not positive or ``caution`` negative.

    Source: Hai & Liu (2021), algorithm 1, with as many children as parents; mutation by DEAP's
    ``mutESLogNormal`` (Beyer & Schwefel 2002). The paper scores a candidate once, on data of its
    own.
    """

    accepts: ClassVar[tuple[type[Space], ...]] = (VectorSpace,)

    def __init__(
        self, parents: int = 8, children: int = 8, sigma: float = 0.03, caution: float = 1.0
    ) -> None:
        super().__init__()
        check_at_least(1, parents=parents, children=children)
        self.parents = parents
        self.children = children
        self.sigma = check_interval("sigma", sigma, 0, math.inf, "()")
        self.caution = check_interval("caution", caution, 0, math.inf, "[)")
        self._elite: list[Individual] = []
        self._brood: list[Individual] = []

    def _start(self, space: VectorSpace, seed: int) -> None:
        self._space = space
        self._random = IsolatedRandom(seed)
        self._generator = np.random.default_rng(seed)
        first = Individual(self._genome(space.start))
        self._elite = [first, *(self._sample() for _ in range(self.parents - 1))]
        self._brood = []

    def _genome(self, theta: Sequence[float]) -> Genome:
        return Genome(theta, [self.sigma] * len(theta))

    def _sample(self) -> Individual:
        return Individual(self._genome(self._space.sample(self._generator, self.sigma).theta))

    def _ask(self) -> list[Candidate]:
        with self._random.active():
            self._brood = [self._child(place) for place in range(self.children)]
        return [item.candidate() for item in (*self._elite, *self._brood)]

    def _child(self, place: int) -> Individual:
        parent = self._elite[place % len(self._elite)].genome
        child = Genome(parent, parent.strategy)
        tools.mutESLogNormal(child, c=1.0, indpb=1.0)
        return Individual(child)

    def _tell(self, evaluations: list[Evaluation]) -> None:
        everybody = [*self._elite, *self._brood]
        scores = [item.fitness if item.trained else -math.inf for item in evaluations]
        known = [
            score - item.mean
            for item, score in zip(everybody, scores, strict=True)
            if item.count and math.isfinite(score)
        ]
        easier = sum(known) / len(known) if known else 0.0
        alive = []
        for item, score in zip(everybody, scores, strict=True):
            if math.isfinite(score):
                item.scored(score - easier)
                alive.append(item)
        self._believe(alive)
        self._elite = tools.selBest(alive, self.parents)
        self._elite += [self._sample() for _ in range(self.parents - len(self._elite))]
        self._brood = []

    def _believe(self, alive: list[Individual]) -> None:
        """Set everybody's fitness, in which short records are drawn to the parents' mean."""
        old = [item.mean for item in alive if item.count > 1] or [item.mean for item in alive]
        for item in alive:
            usual = sum(old) / len(old)
            total = item.count * item.mean + self.caution * usual
            item.fitness = total / (item.count + self.caution)

    def leaders(self) -> list[Candidate]:
        """The parents that have been scored, the one with the best record first."""
        return [item.candidate() for item in self._elite if item.count]

    @property
    def recommendation(self) -> Candidate | None:
        """The parent with the best record."""
        return next(iter(self.leaders()), None)

    @property
    def diversity(self) -> float:
        """The mean mutation strength of the parents."""
        strengths = [value for item in self._elite for value in item.genome.strategy]
        return sum(strengths) / len(strengths) if strengths else math.nan
