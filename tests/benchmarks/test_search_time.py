import time
from dataclasses import replace

import pytest
from engines import TaskByTask, refine
from searches import make_search

from lightning_lossmeta.benchmarks.rejection import passes
from lightning_lossmeta.benchmarks.search_tasks import diabetes, mnist
from lightning_lossmeta.benchmarks.search_time import Stopwatch, measure
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.cli.search_methods import make_search_method, read_search_method
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.local_search import Refiner


class Slow(TaskByTask):
    def _evaluate_task(self, candidates, family, task):
        time.sleep(0.02)
        return [Evaluation.scored(candidate, 1.0) for candidate in candidates]


class Refining(Refiner):
    def _refine(self, jobs, family, on_progress):
        time.sleep(0.05)
        yield from ((place, Evaluation(job.candidate)) for place, job in enumerate(jobs))


def test_tells_local_searches_from_sessions(tmp_path):
    search = make_search(tmp_path)
    watch, evaluator, refiner = Stopwatch(), Slow(), Refining()
    watch.watch(evaluator, refiner)
    candidates = search.searcher.ask()
    refine(refiner, candidates, search.family, search.tasks)
    evaluator.evaluate(candidates[:3], search.family, search.tasks)
    assert (watch.refined, watch.trained) == (4, 3)
    assert 0.05 <= watch.refining < 1
    assert 0.02 <= watch.training < watch.refining


def test_without_a_local_search_there_is_none(tmp_path):
    search = make_search(tmp_path)
    watch, evaluator = Stopwatch(), Slow()
    watch.watch(evaluator, None)
    evaluator.evaluate(search.searcher.ask(), search.family, search.tasks)
    assert (watch.refined, watch.trained) == (0, 4)


def test_counts_filters_and_other_ends(tmp_path):
    candidate = Candidate(None, (0.0,))
    rows = [
        Evaluation(candidate, status=Status.REJECTED, filter="RejectionFilter"),
        Evaluation(candidate, (0.5,), Status.CACHED, filter="SymbolicArchive"),
        Evaluation(candidate, status=Status.DIVERGED),
        Evaluation.scored(candidate, 0.5),
    ]
    watch = Stopwatch()
    search = make_search(tmp_path)
    watch.on_generation_start(search, 0)
    watch.on_generation_end(search, 0, rows)
    assert watch.filters == {"RejectionFilter": 1, "SymbolicArchive": 1, "diverged": 1}
    assert len(watch.generations) == 1


def test_verdicts_are_those_of_the_filter():
    family = ExpressionFamily("regression")
    assert passes(family, Candidate("square(sub(f, y))", (1.0, 1.0, 1.0)))
    assert not passes(family, Candidate("mul(-1, square(sub(f, y)))", (1.0,) * 5))


@pytest.mark.parametrize("task", [diabetes([3]), mnist("nowhere")], ids=lambda task: task.name)
@pytest.mark.parametrize("method", ["ml3", "taylorglo", "gp_lfl", "evomal"])
def test_each_method_is_for_the_kind_of_task(task, method):
    settings = {"file": f"configs/methods/{method}.yaml"} | task.settings.get(method, {})
    made = make_search_method(read_search_method(settings))
    kind = "regression" if task.monitor == "val_mse" else "classification"
    assert made.family.problem == kind


def test_measures_a_generation(tmp_path):
    task = diabetes([2])
    short = {**task.settings["taylorglo"], "session.steps": 20}
    task = replace(task, settings={"taylorglo": short})
    row = measure("taylorglo", task, 1, 0, evaluator="TrainerEvaluator", keep=tmp_path)
    assert (tmp_path / "taylorglo" / "best.json").exists()
    assert row["evaluator"] == "TrainerEvaluator"
    assert row["candidates"] == row["trained"] == 25
    assert row["local_search_s"] is None
    assert 0 < 25 * row["session_s"] < row["generation_s"][0]
    assert row["whole_min"] == pytest.approx(50 * row["generation_s"][0] / 60)
    assert not row["measured_in_full"]
