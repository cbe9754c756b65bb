import json
from dataclasses import replace

import pytest
from engines import TaskByTask
from searches import make_search
from strangers import BlobsData, StrangersNet

from lightning_lossmeta import (
    CMAESSearcher,
    GeneticProgrammingSearcher,
    MetaLossTrainer,
    SearchError,
    TaylorFamily,
)
from lightning_lossmeta.callbacks import MetaCallback, RejectionFilter
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, LossFamily
from lightning_lossmeta.local_search import Refiner
from lightning_lossmeta.search import FixedSeeds
from lightning_lossmeta.search.generation import Engines, score_generation
from lightning_lossmeta.task import Objective, Session


class Adding(Refiner):
    """Adds one to the last coefficient; the first candidate diverges."""

    def _refine(self, jobs, family, on_progress):
        for place, job in reversed(list(enumerate(jobs))):
            theta = job.candidate.theta
            moved = replace(job.candidate, theta=(*theta[:-1], theta[-1] + 1))
            curves = {"meta_loss": ((0, 1.0),)}
            if place == 0:
                yield place, Evaluation(job.candidate, status=Status.DIVERGED, seconds=2.0)
            else:
                yield place, Evaluation(moved, curves=curves, seconds=2.0)


class Scoring(TaskByTask):
    """Scores a candidate by its last coefficient."""

    def __init__(self):
        self.asked = []

    def _evaluate_task(self, candidates, family, task):
        self.asked += candidates
        curves = {"train_loss": ((1, 0.5),)}
        return [
            Evaluation(c, (c.theta[-1],), Status.OK, curves=curves, seconds=1.0) for c in candidates
        ]


class Judge(MetaCallback):
    """Rejects the second candidate that it sees at each stage, and notes all."""

    def __init__(self):
        self.seen = {"screen": [], "screen_refined": []}

    def screen(self, candidate, loss):
        return self._judge("screen", candidate)

    def screen_refined(self, candidate, loss):
        return self._judge("screen_refined", candidate)

    def _judge(self, stage, candidate):
        self.seen[stage].append(candidate)
        if len(self.seen[stage]) == 2:
            return Evaluation(candidate, status=Status.REJECTED, message=stage)
        return None


def test_filters_judge_before_and_after_the_local_search(tmp_path):
    search = make_search(tmp_path, tasks=make_search(tmp_path).tasks)
    search.searcher._asked = [Candidate(None, (*[0.0] * 7, float(i))) for i in range(5)]
    evaluator, judge = Scoring(), Judge()
    found = score_generation(search, 1, Engines(evaluator, FixedSeeds(), Adding(), [judge]))
    # 1 is rejected at once, 0 diverges in its local search, 3 is rejected after it.
    states = [item.status.value for item in found]
    assert states == ["diverged", "rejected", "ok", "rejected", "ok"]
    assert [item.filter for item in found] == ["", "Judge", "", "Judge", ""]
    assert [item.message for item in found] == ["", "screen", "", "screen_refined", ""]
    assert [item.candidate.theta[-1] for item in found] == [0.0, 1.0, 3.0, 4.0, 5.0]
    assert [item.seconds for item in found] == [2.0, 0.0, 3.0, 2.0, 3.0]
    assert found[2].curves == {"meta_loss": ((0, 1.0),), "train_loss": ((1, 0.5),)}
    assert found[3].curves == {"meta_loss": ((0, 1.0),)}
    assert [c.theta[-1] for c in evaluator.asked] == [3.0, 5.0]
    assert len(judge.seen["screen"]) == 5
    assert [c.theta[-1] for c in judge.seen["screen_refined"]] == [3.0, 4.0, 5.0]


def test_without_a_local_search_both_stages_see_the_same(tmp_path):
    search = make_search(tmp_path)
    judge = Judge()
    found = score_generation(search, 1, Engines(_Plain(), FixedSeeds(), None, [judge]))
    assert judge.seen["screen"] == [item.candidate for item in found]
    assert judge.seen["screen_refined"] == [found[i].candidate for i in (0, 2, 3)]
    assert [item.status.value for item in found] == ["ok", "rejected", "rejected", "ok"]


class _Plain(TaskByTask):
    def _evaluate_task(self, candidates, family, task):
        return [Evaluation.scored(candidate, 1.0) for candidate in candidates]


@pytest.mark.parametrize(
    ("stage", "judged"),
    [("asked", [True, False]), ("refined", [False, True]), ("both", [True] * 2)],
)
def test_the_stage_of_the_rejection_protocol(tmp_path, stage, judged):
    family = ExpressionFamily()
    bad = Candidate("add(f, y)", (1.0, 1.0))
    loss = family.build(bad)
    for first, candidate in enumerate([bad, bad]):
        rejection = RejectionFilter(stage=stage)
        rejection.on_search_start(make_search(tmp_path))
        verdict = [rejection.screen, rejection.screen_refined][first](candidate, loss)
        assert (verdict is not None) is judged[first]


def test_the_rejection_protocol_does_not_judge_twice_what_it_passed(tmp_path):
    rejection = RejectionFilter()
    rejection.on_search_start(make_search(tmp_path))
    good = Candidate("square(sub(f, y))", (1.0, 1.0, 1.0))
    loss = ExpressionFamily().build(good)
    assert rejection.screen(good, loss) is None
    assert rejection.screen_refined(good, loss) is None
    assert rejection.counts == {"passed": 1}


class RejectAll(MetaCallback):
    def screen(self, candidate, loss):
        return Evaluation(candidate, status=Status.REJECTED, message="all")


def _search(tmp_path, family, searcher):
    trainer = MetaLossTrainer(accelerator="cpu", logger=False, callbacks=[RejectAll()])
    return trainer.search(
        StrangersNet(),
        BlobsData(),
        Session(steps=20, objectives=(Objective("val_acc"),)),
        family,
        searcher,
        generations=2,
        run_dir=str(tmp_path / "run"),
        seed=1,
    )


@pytest.mark.parametrize(
    ("family", "searcher"),
    [
        (TaylorFamily(start="mse"), CMAESSearcher(population=4)),
        (ExpressionFamily(), GeneticProgrammingSearcher(population=4)),
    ],
)
def test_where_everything_is_rejected_the_best_usual_loss_is_stored(tmp_path, family, searcher):
    usual = family.baselines()
    with pytest.warns(UserWarning, match="was not learned"):
        result = _search(tmp_path, family, searcher)
    stored = json.loads((tmp_path / "run" / "best.json").read_text())
    name = stored["provenance"]["not_learned"]
    assert result.artifact.candidate == usual[name]
    assert stored["provenance"]["generation"] is None
    assert result.evaluation.fitness > 0.5


class WithoutUsual(TaylorFamily):
    serializable = False

    def baselines(self):
        return LossFamily.baselines(self)


def test_without_a_usual_loss_there_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(SearchError, match="fewer filters"):
        _search(tmp_path, WithoutUsual(start="mse"), CMAESSearcher(population=4))
