"""An evaluator is one method: here one that trains in threads, without any other change."""

from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
from inner_fits import EXPLOSIVE, FAMILY, MSE, UNBUILDABLE, make_task
from small_search import history, small_search

from lightning_lossmeta import Evaluation, Evaluator, Status
from lightning_lossmeta.training.recorder import all_finite
from lightning_lossmeta.training.session import guarded


class LinearScores(Evaluator):
    """Scores a candidate by its distance from the target vector, several at a time."""

    def _run(self, jobs, family):
        with ThreadPoolExecutor(2) as pool:
            places = {pool.submit(self._score, job, family): n for n, job in enumerate(jobs)}
            for done in as_completed(places):
                yield places[done], done.result()

    @staticmethod
    def _score(job, family):
        def score():
            loss = family.build(job.candidate)
            if not all_finite(loss) or max(map(abs, job.candidate.theta)) > 1e6:
                return Evaluation(job.candidate, status=Status.DIVERGED)
            distance = sum(value * value for value in job.candidate.theta)
            return Evaluation.scored(job.candidate, -distance)

        return guarded(job.candidate, score)


def test_bad_candidates_are_outcomes_and_order_is_kept():
    outcomes = LinearScores().evaluate([UNBUILDABLE, MSE, EXPLOSIVE], FAMILY, [make_task()])
    assert [item.status for item in outcomes] == [Status.FAILED, Status.OK, Status.DIVERGED]
    assert outcomes[1].fitness == -sum(value * value for value in MSE.theta)


def test_a_search_by_it(tmp_path):
    result = small_search(tmp_path / "run", evaluator=LinearScores(), generations=3)
    fitness = [float(row["fitness"]) for row in history(tmp_path / "run")]
    assert result.evaluation.fitness == max(fitness)
    theta = result.artifact.candidate.theta
    assert result.evaluation.fitness == pytest.approx(-sum(value * value for value in theta))
