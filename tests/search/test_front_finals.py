"""What a search for a front ends with, told by an evaluator whose scores are known."""

import numpy as np
import pytest
from engines import TaskByTask
from small_search import history, small_search

from lightning_lossmeta import (
    CalibrationFitness,
    ComparisonConfig,
    Evaluation,
    Finalists,
    NSGA2Searcher,
    Objective,
    PopulationEvaluator,
    Status,
    load_loss,
)
from lightning_lossmeta.artifacts import FrontFile
from lightning_lossmeta.search.front_finals import _spread
from lightning_lossmeta.search.loop import SearchError
from lightning_lossmeta.searchers.front import Front

ERROR = "val_calibration_error"
OBJECTIVES = (Objective("val_accuracy"), Objective(ERROR, "min"))
FINALISTS = Finalists(count=4, seeds=3, baselines=("cross_entropy", "mse"))


class Known(TaskByTask):
    """Candidates lie on a quarter circle by their first parameter; usual losses where they do.

    Args:
        usual: Objectives by name of the loss and factor of the learning rate.
        lucky: What a candidate has in the search beside what it is worth, by its first parameter.
    """

    def __init__(self, usual, lucky=lambda angle: 0.0):
        super().__init__()
        self.usual, self.lucky, self.seen = usual, lucky, []

    def _evaluate_task(self, candidates, family, task):
        rate = round(task.session.learning_rate_factor, 6)
        found = []
        for candidate in candidates:
            self.seen.append((candidate.structure, rate, task.seed))
            if candidate.structure is not None:
                scores = self.usual.get((candidate.structure, rate), (0.0, -9.0))
            else:
                angle = np.pi / 4 * (1 + np.tanh(candidate.theta[0]))
                gain = self.lucky(angle) if not self.fresh(task) else 0.0
                scores = (np.cos(angle) + gain, np.sin(angle) - 2 + gain)
            found.append(Evaluation.scored(candidate, *map(float, scores)))
        return found

    def fresh(self, task):
        return self.final

    final = False


class Final(Known):
    """Knows by the other losses of the batch that the generations are over."""

    def _run(self, jobs, family):
        # Finalists have three seeds; a generation has one.
        self.final = len({job.task.seed for job in jobs}) > 1
        yield from super()._run(jobs, family)


def _search(folder, evaluator, finalists=FINALISTS, **changes):
    settings = {"searcher": NSGA2Searcher(8), "generations": 3, "objectives": OBJECTIVES}
    callbacks = [CalibrationFitness()]
    return small_search(
        folder, callbacks, evaluator=evaluator, finalists=finalists, **(settings | changes)
    )


def test_the_knee_of_the_fresh_front_is_what_a_search_ends_with(tmp_path):
    result = _search(tmp_path / "run", Final({}))
    accuracy, loss = result.evaluation.objectives
    scores = np.array([e.evaluation.objectives for e in result.choice.front])
    scaled = (scores - scores.min(axis=0)) / np.ptp(scores, axis=0)
    best = scaled.sum(axis=1).argmax()
    assert (accuracy, loss) == pytest.approx(tuple(scores[best]))
    assert len(scores) == 4
    best = load_loss(tmp_path / "run" / "best.json").artifact
    assert best.candidate == result.evaluation.candidate
    assert best.provenance["objectives"][ERROR] == pytest.approx(-loss)
    assert best.provenance["against"]["said"].startswith("Of 4 members of the front, on 3 fresh")
    index = FrontFile.load(tmp_path / "run" / "front.json")
    member = index.members[index.knee]
    assert member.fresh == pytest.approx((accuracy, -loss))
    assert sum(bool(item.fresh) for item in index.members) == 4
    saved = load_loss(tmp_path / "run" / member.file).artifact
    assert saved.candidate == best.candidate
    assert saved.provenance["fresh_objectives"][ERROR] == pytest.approx(-loss)


def test_members_keep_their_rate_and_usual_losses_are_tried_at_all(tmp_path):
    evaluator = Final({})
    _search(tmp_path / "run", evaluator, learning_rate_factor=0.5)
    rates = {name: {rate for n, rate, _ in evaluator.seen if n == name} for name in (None, "mse")}
    assert rates == {None: {0.5}, "mse": {0.15, 0.5, 1.5}}
    index = FrontFile.load(tmp_path / "run" / "front.json")
    factors = [(item.name, round(item.factor, 6)) for item in index.usual]
    assert factors == [(n, f) for n in ("cross_entropy", "mse") for f in (0.15, 0.5, 1.5)]


def test_a_lucky_member_is_no_knee(tmp_path):
    """In the search those at the accuracy end gain a lot, on fresh seeds nothing."""
    evaluator = Final({}, lucky=lambda angle: 5.0 if angle < 0.75 else 0.0)
    result = _search(tmp_path / "run", evaluator)
    assert all(max(e.evaluation.objectives) <= 1 for e in result.choice.front)
    index = FrontFile.load(tmp_path / "run" / "front.json")
    assert max(item.scores[0] for item in index.members) > 4
    fresh = [item.fresh for item in index.members if item.fresh]
    assert max(a for a, _ in fresh) <= 1


def test_a_usual_loss_that_beats_all_members_is_kept(tmp_path):
    evaluator = Final({("mse", 0.3): (1.5, -0.5)})
    result = _search(tmp_path / "run", evaluator)
    assert result.choice.keep_baseline
    assert result.choice.baseline.contender.name == "mse"
    best = load_loss(tmp_path / "run" / "best.json").artifact
    assert best.provenance["not_learned"] == "mse"
    said = best.provenance["against"]["said"]
    assert said.endswith(
        f"by a usual loss: keep mse (val_accuracy 1.5000, {ERROR} 0.5000; learning rate x 0.3)."
    )
    assert result.learning_rate_factor == pytest.approx(0.3)
    learned = load_loss(tmp_path / "run" / "learned.json").artifact
    assert learned.candidate == result.evaluation.candidate


def test_a_usual_loss_that_beats_one_objective_alone_is_not_kept(tmp_path):
    evaluator = Final({("mse", 1.0): (5.0, -9.0), ("cross_entropy", 3.0): (-1.0, 9.0)})
    result = _search(tmp_path / "run", evaluator)
    assert not result.choice.keep_baseline
    assert "not_learned" not in load_loss(tmp_path / "run" / "best.json").artifact.provenance


def test_members_are_spread_along_the_front():
    front = Front()
    for number, x in enumerate(np.linspace(0, 1, 21)):
        candidate = Evaluation.scored(_candidate(number), float(x), float(np.sqrt(1 - x * x)))
        front.add(0, candidate)
    taken = [item.theta[0] for item in _spread(front, 5)]
    assert {0.0, 20.0} <= set(taken), "the ends"
    assert 14.0 in taken, "the knee, at the root of one half"
    assert len(set(taken)) == 5
    assert len(_spread(front, 100)) == 21
    assert [item.theta[0] for item in _spread(front, 1)] == [14.0]


def _candidate(number):
    from lightning_lossmeta import Candidate

    return Candidate(None, (float(number),))


class NoLoss(TaskByTask):
    """One whose second objective is never finite, as the recorder tells it."""

    def __init__(self, lost=(ERROR,)):
        super().__init__()
        self.lost = lost

    def _evaluate_task(self, candidates, family, task):
        return [
            Evaluation(item, status=Status.DIVERGED, not_finite=self.lost) for item in candidates
        ]


def test_an_objective_that_is_never_finite_is_named(tmp_path):
    with pytest.raises(SearchError, match=rf"`{ERROR}` to be finite for some .* generation 1, but"):
        _search(tmp_path / "run", NoLoss())


def test_networks_that_diverge_are_no_objectives_fault(tmp_path):
    with (
        pytest.warns(UserWarning, match="No candidate of the first generation has a score"),
        pytest.raises(SearchError, match="No candidate could be trained in 1 generations"),
    ):
        _search(tmp_path / "run", NoLoss(("val_accuracy", ERROR)), None, generations=1)


def test_with_real_trainings_a_search_a_resumed_one_and_the_comparison_go_on(tmp_path):
    settings = {
        "searcher": NSGA2Searcher(4),
        "finalists": Finalists(count=2, seeds=2, learning_rate_factors=(1.0,)),
        "evaluator": PopulationEvaluator(),
    }
    comparison = ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,), steps=10)
    whole = _search(tmp_path / "whole", comparison=comparison, **settings)
    assert whole.comparison[0].name == "learned"
    _search(tmp_path / "cut", generations=2, **settings)
    changed = settings | {"searcher": NSGA2Searcher(4), "evaluator": PopulationEvaluator()}
    again = _search(tmp_path / "cut", resume=str(tmp_path / "cut"), **changed)
    assert history(tmp_path / "whole") == history(tmp_path / "cut")
    fronts = [FrontFile.load(tmp_path / name / "front.json") for name in ("whole", "cut")]
    assert fronts[0] == fronts[1]
    assert again.artifact.candidate == whole.artifact.candidate
    scores = [item.scores for item in fronts[0].members]
    assert all(0 <= accuracy <= 1 and 0 < error < 1 for accuracy, error in scores)
