import numpy as np
import pytest
from engines import TaskByTask
from inner_fits import FAMILY, make_task
from scipy import stats

from lightning_lossmeta import Candidate, Evaluation, Status
from lightning_lossmeta.search.allocation import FixedSeeds, RacedSeeds
from lightning_lossmeta.search.spending import spend


class Noisy(TaskByTask):
    """Scores a candidate by its worth, a shift that all have of a seed, and noise of its own."""

    def __init__(self, worth, noise, shift=1.0):
        super().__init__()
        self.worth, self.noise, self.shift = worth, noise, shift

    def _evaluate_task(self, candidates, family, task):
        scores = []
        for candidate in candidates:
            number = int(candidate.theta[-1])
            own = np.random.default_rng([task.seed, number]).standard_normal()
            shared = np.random.default_rng(task.seed).standard_normal()
            scores.append(self.worth[number] + self.shift * shared + self.noise * own)
        pairs = zip(candidates, scores, strict=True)
        return [Evaluation.scored(candidate, float(score)) for candidate, score in pairs]


def _race(allocation, worth, noise, start=0):
    candidates = [Candidate(None, (0.0,) * 7 + (float(i),)) for i in range(len(worth))]
    trained = []
    outcomes = spend(
        allocation,
        candidates,
        FAMILY,
        [make_task()],
        lambda task, seed: start + seed,
        Noisy(worth, noise),
        lambda what, done, count: trained.append(done),
    )
    return outcomes, trained[-1]


def test_it_saves_trainings_and_finds_the_same_leader_where_noise_is_small():
    worth = np.linspace(0.0, 1.0, 20)
    outcomes, trained = _race(RacedSeeds(4), worth, noise=0.01)
    best = max(outcomes, key=lambda item: item.fitness)
    assert best.candidate.theta[-1] == 19.0
    assert trained < 40 < 80
    assert outcomes[19].status is Status.OK
    assert outcomes[0].status is Status.STOPPED


def test_ranks_of_a_race_are_nearly_those_of_all_seeds():
    """What was given up early is shifted by the seeds that it missed: the order is kept."""
    races, singles = [], []
    for start in range(0, 400, 10):
        worth = np.random.default_rng(start).standard_normal(20)
        for allocation, found in ((RacedSeeds(4), races), (FixedSeeds(1), singles)):
            outcomes, _ = _race(allocation, worth, noise=0.7, start=start)
            fitness = [item.fitness for item in outcomes]
            found.append(stats.spearmanr(worth, fitness).statistic)
    assert np.mean(races) > np.mean(singles) + 0.02
    assert np.mean(races) > 0.8


def test_those_that_can_not_be_told_apart_get_every_seed():
    outcomes, trained = _race(RacedSeeds(5), [0.0, 0.0], noise=0.0)
    assert trained == 2 * 5
    outcomes, trained = _race(RacedSeeds(5), [0.0] * 4, noise=0.0)
    assert trained == 4 + 4 * 2
    assert [item.status for item in outcomes].count(Status.OK) == 2


@pytest.mark.parametrize("arguments", [{"seeds": 0}, {"level": 0.0}, {"level": 1.0}])
def test_refuses_numbers_out_of_range(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        RacedSeeds(**arguments)
