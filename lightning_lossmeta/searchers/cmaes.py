"""CMA-ES by pycma."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any, ClassVar

import cma
import numpy as np

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.spaces import Space, VectorSpace
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.searchers.base import Searcher


class CMAESSearcher(Searcher):
    """Covariance matrix adaptation evolution strategy (Hansen & Ostermeier 1996), from pycma.

    Args:
        population: Candidates a generation, at least 2.
        sigma: Initial step size.

    Candidates without a fitness (rejected, diverged, failed) count as worse than all that have one.

    Raises:
        ValueError: If ``population`` is below 2 or ``sigma`` is not positive.
    """

    accepts: ClassVar[tuple[type[Space], ...]] = (VectorSpace,)

    def __init__(self, population: int = 20, sigma: float = 0.5) -> None:
        super().__init__()
        check_at_least(2, population=population)
        self.population = population
        self.sigma = check_interval("sigma", sigma, 0, math.inf, "()")
        self._strategy: Any = None

    def _start(self, space: VectorSpace, seed: int) -> None:
        generator = np.random.default_rng(seed)
        options = {
            "popsize": self.population,
            "randn": lambda *shape: generator.standard_normal(shape),
            "seed": math.nan,  # pycma then leaves NumPy's global generator alone
            "verbose": -9,
            "verb_log": 0,
            "verb_filenameprefix": "",
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._strategy = cma.CMAEvolutionStrategy(list(space.start), self.sigma, options)

    def _ask(self) -> list[Candidate]:
        return [Candidate(None, tuple(map(float, point))) for point in self._strategy.ask()]

    def _tell(self, evaluations: list[Evaluation]) -> None:
        finite = [item.fitness for item in evaluations if math.isfinite(item.fitness)]
        least = min(finite, default=0.0)
        worse = max(least - max(1.0, abs(least)), -sys.float_info.max)
        costs = [-item.fitness if math.isfinite(item.fitness) else -worse for item in evaluations]
        points = [np.array(item.candidate.theta) for item in evaluations]
        self._strategy.tell(points, costs)

    @property
    def diversity(self) -> float:
        """The step size sigma."""
        return float(self._strategy.sigma) if self._strategy is not None else math.nan

    @property
    def recommendation(self) -> Candidate | None:
        """The mean of the distribution, which noise moves less than any single candidate."""
        if self._strategy is None or not self.generation:
            return None
        return Candidate(None, tuple(map(float, self._strategy.result.xfavorite)))

    @property
    def stop_reason(self) -> str | None:
        """The numerical conditions under which pycma can't go on; flat fitness is no reason."""
        stop = self._strategy.stop() if self._strategy is not None else {}
        fatal = {"conditioncov", "noeffectaxis", "noeffectcoord", "tolfacupx", "tolxstagnation"}
        reasons = sorted(fatal & set(stop))
        return ", ".join(reasons) or None
