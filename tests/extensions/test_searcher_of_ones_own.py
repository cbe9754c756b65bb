"""A searcher is one class: here random search, in a search, resumed, without any other change."""

import numpy as np
from small_search import history, small_search

from lightning_lossmeta import Searcher
from lightning_lossmeta.families import VectorSpace


class RandomSearch(Searcher):
    """Draws every generation round the best candidate so far."""

    accepts = (VectorSpace,)

    def __init__(self, population=3, sigma=0.3):
        super().__init__()
        self.population, self.sigma = population, sigma

    def _start(self, space, seed):
        self._generator = np.random.default_rng(seed)
        self._best = (float("-inf"), space.start)

    def _ask(self):
        from lightning_lossmeta import Candidate

        noise = self._generator.standard_normal((self.population, len(self._best[1])))
        points = np.asarray(self._best[1]) + self.sigma * noise
        return [Candidate(None, tuple(map(float, point))) for point in points]

    def _tell(self, evaluations):
        for item in evaluations:
            self._best = max(self._best, (item.fitness, item.candidate.theta))


def test_it_searches_and_goes_on_where_it_stopped(tmp_path):
    whole = small_search(tmp_path / "whole", searcher=RandomSearch(), generations=4)
    small_search(tmp_path / "cut", searcher=RandomSearch(), generations=2)
    again = small_search(None, searcher=RandomSearch(), generations=4, resume=str(tmp_path / "cut"))
    assert history(tmp_path / "cut") == history(tmp_path / "whole")
    assert again.artifact.candidate == whole.artifact.candidate
    best = max(float(row["fitness"]) for row in history(tmp_path / "whole"))
    assert whole.evaluation.fitness == best
