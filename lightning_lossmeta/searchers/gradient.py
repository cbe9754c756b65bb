"""Nothing but local search: gradient descent on theta, a stretch a generation."""

from __future__ import annotations

import hashlib
import math
from typing import Any, ClassVar

import numpy as np

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.spaces import Space, VectorSpace
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.searchers.base import Searcher

Theta = tuple[float, ...]


_UNMOVED = "no theta was moved: the search has no refiner, or every slope is zero"


class GradientSearcher(Searcher):
    """Asks again for what a local search made of its candidates, so that theta descends on and on.

    For searches with a refiner, e.g.
    :class:`~lightning_lossmeta.local_search.GradientRefiner`: each generation is a stretch of its
    ``meta_steps`` steps, with a fresh optimiser, noise on theta (if it adds any) and new episodes.
    The candidates are independent descents from random starts. One that has no finite fitness
    (rejected, diverged, failed) begins anew from another start. A generation that comes back as it
    was asked ends the search: then nothing refines.

    Where a descent begins is a sample of the space: initial weights of a network, else the space's
    start with normal noise.

    Args:
        population: Descents side by side.
        sigma: Standard deviation of that noise.

    Raises:
        ValueError: If ``population`` is below 1 or ``sigma`` is negative.

    Source: Bechtle et al. (2021), "Meta learning via learned loss" (ML3), with a population of 1.
    """

    accepts_refined: ClassVar[bool] = True
    accepts: ClassVar[tuple[type[Space], ...]] = (VectorSpace,)

    def __init__(self, population: int = 1, sigma: float = 0.1) -> None:
        super().__init__()
        check_at_least(1, population=population)
        self.population = population
        self.sigma = check_interval("sigma", sigma, 0, math.inf, "[)")
        self._next: list[Theta] = []
        self._digest = ""
        self._unmoved = False

    def _start(self, space: VectorSpace, seed: int) -> None:
        self._space = space
        self._generator = np.random.default_rng(seed)
        self._digest, self._unmoved = "", False
        self._next = [self._new_start() for _ in range(self.population)]

    def _ask(self) -> list[Candidate]:
        return [Candidate(None, theta) for theta in self._next]

    def _tell(self, evaluations: list[Evaluation]) -> None:
        asked = self._next
        self._next = [
            item.candidate.theta if _succeeded(item) else self._new_start() for item in evaluations
        ]
        self._unmoved = self._next == asked

    def _new_start(self) -> Theta:
        """Where another descent begins; all starts so far go into the digest."""
        theta = self._space.sample(self._generator, self.sigma).theta
        self._digest = hashlib.sha256(f"{self._digest} {theta}".encode()).hexdigest()
        return theta

    @property
    def stop_reason(self) -> str | None:
        """That no theta was moved, if none was; ``None`` otherwise."""
        return _UNMOVED if self._unmoved else None

    def state_dict(self) -> dict[str, Any]:
        """A digest of the starts, which a refined theta does not show."""
        return {"starts": self._digest}


def _succeeded(item: Evaluation) -> bool:
    return item.trained and math.isfinite(item.fitness)
