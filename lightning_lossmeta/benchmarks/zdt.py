"""NSGA-II on ZDT1 and ZDT2, whose fronts are known.

``python -m lightning_lossmeta.benchmarks.zdt`` prints the hypervolume below (1, 1) and (11, 11),
mean and standard deviation over seeds, of :class:`~lightning_lossmeta.searchers.NSGA2Searcher` and
of the loop that DEAP gives as its example.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
from deap import base, benchmarks, tools

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.spaces import Seed, VectorSpace
from lightning_lossmeta.searchers import NSGA2Searcher
from lightning_lossmeta.searchers.hypervolume import hypervolume
from lightning_lossmeta.task import Objective

OBJECTIVES = (Objective("f1", "min"), Objective("f2", "min"))
PROBLEMS: dict[str, Callable[..., Any]] = {"ZDT1": benchmarks.zdt1, "ZDT2": benchmarks.zdt2}
Points = list[tuple[float, ...]]

#: Deb et al.'s settings: variables, population, generations; and of ours the seeds.
PUBLISHED = (30, 100, 250)
SEEDS = 5


@dataclass(frozen=True)
class UnitCube(VectorSpace):
    """Vectors from 0 to 1, from which the first population is drawn uniformly."""

    def sample(self, seed: Seed, sigma: float = 0.1) -> Candidate:
        """Draw a vector."""
        drawn = np.random.default_rng(seed).uniform(size=self.dimension)
        return Candidate(None, tuple(drawn.tolist()))


def exact_volume(name: str, reference: float) -> float:
    """The hypervolume of the true front below (r, r), for r of at least 1.

    ZDT1 has ``f2 = 1 - sqrt(f1)``, ZDT2 ``f2 = 1 - f1^2``, for f1 from 0 to 1.
    """
    under = {"ZDT1": 2 / 3, "ZDT2": 1 / 3}[name]
    return under + (reference - 1) + (reference - 1) * reference


def solve(name: str, variables: int, population: int, generations: int, seed: int) -> Points:
    """Objectives, to be made large, of the parents that NSGA-II ends with."""
    cube = UnitCube(tuple(f"x{i}" for i in range(variables)), (0.5,) * variables)
    searcher = NSGA2Searcher(population, sigma=0.05, reach=10.0)
    searcher.start(cube, seed, OBJECTIVES)
    for _ in range(generations):
        asked = searcher.ask()
        scores = [[-value for value in PROBLEMS[name](item.theta)] for item in asked]
        pairs = zip(asked, scores, strict=True)
        searcher.tell([Evaluation.scored(item, *values) for item, values in pairs])
    return [item.fitness.values for item in searcher._parents]


def solve_by_deap(
    name: str, variables: int, population: int, generations: int, seed: int
) -> Points:
    """The same by the loop of DEAP's ``examples/ga/nsga2.py``."""
    bounds = {"eta": 20.0, "low": 0.0, "up": 1.0}
    with IsolatedRandom(seed).active():
        parents = [_Vector(random.random() for _ in range(variables)) for _ in range(population)]
        for item in parents:
            item.fitness.values = PROBLEMS[name](item)
        parents = tools.selNSGA2(parents, population)
        for _ in range(1, generations):
            children = [_Vector(item) for item in tools.selTournamentDCD(parents, population)]
            for first, second in zip(children[::2], children[1::2], strict=True):
                if random.random() <= 0.9:
                    tools.cxSimulatedBinaryBounded(first, second, **bounds)
                for child in (first, second):
                    tools.mutPolynomialBounded(child, indpb=1 / variables, **bounds)
                    child.fitness.values = PROBLEMS[name](child)
            parents = tools.selNSGA2(parents + children, population)
    return [tuple(-value for value in item.fitness.values) for item in parents]


class _Small(base.Fitness):  # type: ignore[misc]
    """Two objectives that are made small."""

    weights = (-1.0, -1.0)


class _Vector(list[float]):
    """A vector as DEAP takes it."""

    def __init__(self, values: Any) -> None:
        super().__init__(values)
        self.fitness = _Small()


def main() -> None:
    """Print a line for each problem, program and reference point."""
    for name in PROBLEMS:
        for program, run in (("NSGA2Searcher", solve), ("DEAP's example", solve_by_deap)):
            fronts = [run(name, *PUBLISHED, seed) for seed in range(SEEDS)]
            for reference in (1.0, 11.0):
                values = [hypervolume(front, (-reference, -reference)) for front in fronts]
                print(
                    f"{name}, below ({reference:g}, {reference:g}): {program} {mean(values):.4f} "
                    f"± {stdev(values):.4f}, true front {exact_volume(name, reference):.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
