"""NSGA-II by DEAP: a whole front of several objectives in one search."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from deap import base, tools

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.families.spaces import Space, VectorSpace
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.breeding import Breeding, TreeBreeding, VectorBreeding


class _Fitness(base.Fitness):  # type: ignore[misc]
    """Objectives as DEAP takes them, all to be made large."""

    def __init__(self, objectives: tuple[float, ...]) -> None:
        self.weights = (1.0,) * len(objectives)
        self.crowding_dist = 0.0
        super().__init__(objectives)


class _Individual:
    """A candidate with its fitness; without objectives it is worse than all that have some."""

    def __init__(self, candidate: Candidate, objectives: Sequence[float], count: int) -> None:
        self.candidate = candidate
        self.scored = bool(objectives)
        self.fitness = _Fitness(tuple(objectives) or (-math.inf,) * count)


class NSGA2Searcher(Searcher):
    """The non-dominated sorting genetic algorithm II: one search for a whole front.

    The candidates of a generation are children of the parents, which won tournaments by dominance,
    then by crowding distance. Parents and children together are sorted into fronts, of which the
    first ones survive, of the last one those that are least crowded. Weights of objectives do not
    count, nor do their scales.

    Vectors begin with the space's start and samples around it, are crossed by simulated binary
    crossover and mutated polynomially, within ``start - reach sigma`` and ``start + reach sigma``;
    with the defaults a mutation is of the order of ``sigma``. Expressions begin at random and have
    the crossover and mutation of genetic programming.

    Candidates without scores (rejected, diverged, failed) count as worse than all that have some.
    If there are fewer than ``population`` with scores, samples take the places of the parents that
    are missing. Parents keep the scores of the generation in which they were trained, whose seeds
    may have been kinder than later ones: several seeds a candidate (an allocation) make up for it,
    and finalists are scored on fresh seeds.

    Args:
        population: Candidates a generation, and parents; a multiple of 4, as tournaments need.
        sigma: Standard deviation of the first vectors around the start.
        reach: How many ``sigma`` a coordinate may be away from the start.
        crossover: Probability with which two parents are crossed.
        eta: Distribution index of crossover and mutation of vectors: the larger, the nearer are
            children to their parents.

    Raises:
        ValueError: If ``population`` is no multiple of 4, or another argument is out of its range.

    Source: Deb et al. (2002), whose probability of crossover, 0.9, and indices, 20, are the
    defaults; operators by DEAP.
    """

    accepts: ClassVar[tuple[type[Space], ...]] = (VectorSpace, ExpressionSpace)
    accepts_refined: ClassVar[bool] = True
    seeks_front: ClassVar[bool] = True

    def __init__(
        self,
        population: int = 20,
        sigma: float = 0.5,
        reach: float = 10.0,
        crossover: float = 0.9,
        eta: float = 20.0,
    ) -> None:
        super().__init__()
        check_at_least(4, population=population)
        if population % 4:
            raise ValueError(
                f"Expected argument `population` to be a multiple of 4, got {population}: take "
                f"{population + 4 - population % 4}."
            )
        self.population = population
        self.sigma = check_interval("sigma", sigma, 0, math.inf, "()")
        self.reach = check_interval("reach", reach, 0, math.inf, "()")
        self.crossover = check_interval("crossover", crossover, 0, 1)
        self.eta = check_interval("eta", eta, 0, math.inf, "[)")
        self._parents: list[_Individual] = []
        self._digest = ""

    def _start(self, space: VectorSpace | ExpressionSpace, seed: int) -> None:
        self._breeding: Breeding = (
            VectorBreeding(space, self.sigma, self.reach, self.crossover, self.eta)
            if isinstance(space, VectorSpace)
            else TreeBreeding(space, self.crossover)
        )
        self._random = IsolatedRandom(seed)
        self._generator = np.random.default_rng(seed)
        self._parents, self._digest = [], ""

    def _ask(self) -> list[Candidate]:
        if not self._parents:
            return self._breeding.first(self.population, self._generator)
        with self._random.active():
            chosen = tools.selTournamentDCD(self._parents, self.population)
            pairs = zip(chosen[::2], chosen[1::2], strict=True)
            children = [self._breeding.children(a.candidate, b.candidate) for a, b in pairs]
        return [child for pair in children for child in pair]

    def _tell(self, evaluations: list[Evaluation]) -> None:
        self._digest = hashlib.sha256(f"{self._digest} {self._asked}".encode()).hexdigest()
        new = [
            self._individual(item.candidate, item.objectives if item.trained else ())
            for item in evaluations
        ]
        scored = {item.candidate: item for item in reversed(self._parents + new) if item.scored}
        alive = list(reversed(scored.values()))  # of equal candidates the first
        self._parents = tools.selNSGA2(alive, self.population) if alive else []
        self._parents += [
            self._individual(self._breeding.sample(self._generator), ())
            for _ in range(self.population - len(self._parents))
        ]

    def _individual(self, candidate: Candidate, objectives: Sequence[float]) -> _Individual:
        return _Individual(candidate, objectives, len(self.objectives))

    def state_dict(self) -> dict[str, Any]:
        """A digest of all that was asked for, which candidates that were refined do not show."""
        return {"asked": self._digest}

    @property
    def diversity(self) -> float:
        """The mean deviation of the parents' coordinates, or the share of distinct trees."""
        alive = [item.candidate for item in self._parents if item.scored]
        return self._breeding.diversity(alive) if alive else math.nan
