"""Genetic programming by DEAP."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import ClassVar

from deap import gp, tools

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.families.spaces import Space
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.genetic_operators import crossover, mutate


@dataclass(frozen=True, eq=False)
class Individual:
    """A tree with the weights of its edges, and their fitness as far as it is known."""

    tree: gp.PrimitiveTree
    theta: tuple[float, ...]
    fitness: float = -math.inf

    @classmethod
    def new(cls, tree: gp.PrimitiveTree) -> Individual:
        """An expression as it is written, that is, with weights of one."""
        return cls(tree, (1.0,) * (len(tree) - 1))

    @classmethod
    def from_evaluation(cls, item: Evaluation, space: ExpressionSpace) -> Individual:
        """An evaluated candidate, with the weights that a local search may have refined."""
        tree = parse_expression(item.candidate.structure, space)
        return cls(tree, item.candidate.theta, item.fitness)

    def candidate(self) -> Candidate:
        """The candidate that a family builds a loss of."""
        return Candidate(str(self.tree), self.theta)


class GeneticProgrammingSearcher(Searcher):
    """Genetic programming over symbolic losses (Koza 1992), with DEAP's operators.

    Each generation begins with the best expressions of the one before, weights and all, to be
    scored again beside the others. The rest come, each by itself, from crossover of two tournament
    winners, from mutation of one, or are a winner as it is. A child that is too large gives way to
    its first parent. Children begin with weights of one; what a local search makes of weights comes
    back by ``tell`` and stays with the expression. A generation without any fitness is followed by
    new random trees.

    Args:
        population: Candidates a generation, at least 2.
        crossover: Share of one-point crossover.
        mutation: Share of uniform mutation; what is left of one goes on unchanged.
        elitism: Share of the best that stay, rounded up.
        tournament: Candidates of a tournament.
        min_depth: Least depth of the first trees.
        max_depth: Largest depth of the first trees.

    Raises:
        ValueError: If an argument is out of its range, the shares sum to more than one, or the
            elite leaves no room for others.

    Source: Raymond et al. (2024), section 3.2.2; tournament and depths from their experiments.
    """

    accepts_refined: ClassVar[bool] = True
    accepts: ClassVar[tuple[type[Space], ...]] = (ExpressionSpace,)

    def __init__(
        self,
        population: int = 25,
        crossover: float = 0.7,
        mutation: float = 0.25,
        elitism: float = 0.05,
        tournament: int = 4,
        min_depth: int = 2,
        max_depth: int = 4,
    ) -> None:
        super().__init__()
        check_at_least(2, population=population)
        check_at_least(1, tournament=tournament, min_depth=min_depth)
        check_at_least(min_depth, max_depth=max_depth)
        self.population = population
        self.crossover = check_interval("crossover", crossover, 0, 1)
        self.mutation = check_interval("mutation", mutation, 0, 1)
        self.elitism = check_interval("elitism", elitism, 0, 1, "[)")
        self.tournament = tournament
        self.min_depth = min_depth
        self.max_depth = max_depth
        if crossover + mutation > 1 + 1e-9:
            raise ValueError(
                "Expected arguments `crossover` and `mutation` to sum to at most 1, got "
                f"{crossover} and {mutation}."
            )
        self._elite_size = math.ceil(elitism * population - 1e-9)
        if self._elite_size >= population:
            raise ValueError(
                f"Expected argument `elitism` to leave room for others, got {elitism}, which is "
                f"all {population} candidates."
            )
        self._individuals: list[Individual] = []

    def _start(self, space: ExpressionSpace, seed: int) -> None:
        self._space = space
        self._random = IsolatedRandom(seed)
        self._individuals = []

    def _ask(self) -> list[Candidate]:
        with self._random.active():
            if any(math.isfinite(item.fitness) for item in self._individuals):
                elite = self._elite()
                count = self.population - len(elite)
                individuals = [*elite, *(self._child() for _ in range(count))]
            else:
                individuals = [self._random_individual() for _ in range(self.population)]
        return [item.candidate() for item in individuals]

    def _tell(self, evaluations: list[Evaluation]) -> None:
        self._individuals = [Individual.from_evaluation(item, self._space) for item in evaluations]

    def _random_individual(self) -> Individual:
        return Individual.new(self._space.random_tree(self.min_depth, self.max_depth))

    def _elite(self) -> list[Individual]:
        """The individuals of best fitness, each expression once."""
        ranked = sorted(self._individuals, key=lambda item: item.fitness, reverse=True)
        best: dict[str, Individual] = {}
        for item in ranked:
            if math.isfinite(item.fitness):
                best.setdefault(str(item.tree), item)
        return list(best.values())[: self._elite_size]

    def _child(self) -> Individual:
        draw = random.random()
        parent = self._winner()
        if draw < self.crossover:
            tree = crossover(parent.tree, self._winner().tree, self._space)
        elif draw < self.crossover + self.mutation:
            tree = mutate(parent.tree, self._space)
        else:
            return parent
        return parent if tree is None or tree == parent.tree else Individual.new(tree)

    def _winner(self) -> Individual:
        (winner,) = tools.selTournament(self._individuals, k=1, tournsize=self.tournament)
        return winner  # type: ignore[no-any-return]

    @property
    def diversity(self) -> float:
        """Share of the last generation's expressions that differ from each other."""
        if not self._individuals:
            return math.nan
        return len({str(item.tree) for item in self._individuals}) / len(self._individuals)
