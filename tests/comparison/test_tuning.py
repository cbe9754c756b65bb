import pytest
from inner_fits import make_task

from lightning_lossmeta.comparison import ComparisonConfig, compare_losses
from lightning_lossmeta.comparison.tuning import Tuning
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators import Evaluator
from lightning_lossmeta.losses import CrossEntropy, Focal


class Peaks(Evaluator):
    """The score of a loss falls with the distance of its rate from the best, in tenfolds."""

    def __init__(self, best):
        super().__init__()
        self.best = best

    def _run(self, jobs, family):
        for place, job in enumerate(jobs):
            ratio = job.task.session.learning_rate_factor / self.best[job.candidate.structure]
            yield place, Evaluation.scored(job.candidate, -max(ratio, 1 / ratio))


def _rows(best, **settings):
    losses = {"CE": CrossEntropy(), "focal": Focal()}
    settings = {"seeds": 2, "tuning_seeds": 1, **settings}
    rows = compare_losses(losses, make_task(), Peaks(best), ComparisonConfig(**settings))
    return {row.name: row for row in rows}


def test_a_loss_whose_best_rate_lies_at_the_edge_is_trained_past_it():
    rows = _rows({"CE": 0.01, "focal": 1.0}, learning_rate_factors=(0.1, 1.0, 3.0))
    assert list(rows["CE"].tuning) == pytest.approx([0.001, 0.01, 0.1, 1.0, 3.0])
    assert (rows["CE"].factor, rows["CE"].at_edge) == (0.01, False)
    assert list(rows["focal"].tuning) == [0.1, 1.0, 3.0]


def test_the_grid_grows_so_often_and_no_further():
    rows = _rows({"CE": 1e9, "focal": 1.0}, learning_rate_factors=(0.1, 1.0, 3.0), widenings=2)
    assert list(rows["CE"].tuning) == pytest.approx([0.1, 1.0, 3.0, 9.0, 27.0])
    assert rows["CE"].at_edge
    rows = _rows({"CE": 1e9, "focal": 1.0}, learning_rate_factors=(0.1, 1.0, 3.0), widenings=0)
    assert list(rows["CE"].tuning) == [0.1, 1.0, 3.0]


def test_one_rate_is_taken_as_it_is():
    rows = _rows({"CE": 1e9, "focal": 1.0}, learning_rate_factors=(0.3,))
    assert (rows["CE"].factor, rows["CE"].tuning, rows["CE"].at_edge) == (0.3, {}, False)


def test_without_a_score_there_is_nothing_beyond():
    assert Tuning({0.1: float("-inf"), 1.0: float("-inf")}).beyond() is None
    assert Tuning({0.1: float("nan"), 1.0: float("nan")}).best == 1.0
