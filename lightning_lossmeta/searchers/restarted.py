"""Several searches in one: another searcher, begun anew."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.spaces import Space
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.cmaes import CMAESSearcher

if TYPE_CHECKING:
    from typing_extensions import Self


class RestartedSearcher(Searcher):
    """Begins a searcher anew, with a seed of its own, when it has had its share or is stuck.

    One search may end in a valley that another one does not meet. What each of them recommends is
    among the finalists, which are trained on equal fresh seeds: the search that these prefer is the
    one that counts.

    Three searches of 10 generations each, ``generations: 30`` ::

        searcher:
          class_path: lightning_lossmeta.RestartedSearcher
          init_args:
            searcher: {class_path: lightning_lossmeta.CMAESSearcher, init_args: {population: 20}}
            every: 10

    Args:
        searcher: What searches; the first time with this searcher's own seed.
        every: How many generations each search has. By default it is begun anew only when it gives
            a ``stop_reason``.
        growth: What the population is multiplied by at each restart, for a searcher that has an
            argument ``population``; 2 is IPOP-CMA-ES. It is rounded to multiples of the first one.

    Raises:
        ValueError: If ``every`` is below 1, ``growth`` below 1, or it is above 1 for a searcher
            without a ``population``.

    Source: growing populations by Auger & Hansen (2005).
    """

    def __init__(self, searcher: Searcher, every: int | None = None, growth: float = 1.0) -> None:
        super().__init__()
        if every is not None:
            check_at_least(1, every=every)
        self.searcher = searcher
        self.every = every
        self.growth = check_interval("growth", growth, 1, math.inf, "[)")
        if self.growth > 1 and not hasattr(searcher, "population"):
            raise ValueError(
                "Expected argument `growth` to be 1 for a searcher without `population`, got "
                f"{growth} for {type(searcher).__name__}."
            )
        self.accepts = searcher.accepts  # type: ignore[misc]
        self.accepts_refined = searcher.accepts_refined  # type: ignore[misc]
        self.seeks_front = searcher.seeks_front  # type: ignore[misc]
        self._current = searcher
        self._earlier: list[Candidate] = []
        self._round = 0

    @classmethod
    def example(cls) -> Self:
        """A small CMA-ES that is begun anew every other generation."""
        return cls(CMAESSearcher(population=6), every=2)

    def _start(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._earlier, self._round = [], 0
        self._begin()

    def _begin(self) -> None:
        """Begin the search of this round."""
        current = copy.deepcopy(self.searcher)
        if self.growth > 1:
            current.population = current.population * round(self.growth**self._round)  # type: ignore[attr-defined]
        seed = self._seed
        if self._round:
            seed = derived_seed(self._seed, Purpose.RESTART, self._round)
        current.start(self._space, seed, self.objectives)
        self._current = current

    def _ask(self) -> list[Candidate]:
        return self._current.ask()

    def _tell(self, evaluations: list[Evaluation]) -> None:
        self._current.tell(evaluations)
        done = self.every is not None and self._current.generation >= self.every
        if done or self._current.stop_reason:
            self._earlier += self._current.recommendations
            self._round += 1
            self._begin()

    @property
    def recommendations(self) -> list[Candidate]:
        """What each search recommended when it ended, and what the present one does."""
        return [*self._earlier, *self._current.recommendations]

    @property
    def diversity(self) -> float:
        """That of the present search."""
        return self._current.diversity
