"""How trainings are spent is one generator: here a race over seeds, without any other change."""

import json

import pytest
from engines import TaskByTask
from inner_fits import FAMILY, make_task
from small_search import history, small_search

from lightning_lossmeta import Allocation, Candidate, Evaluation, FixedSeeds, Status
from lightning_lossmeta.search.allocation import Trial
from lightning_lossmeta.search.spending import spend


class BetterHalf(Allocation):
    """All candidates on one seed, the better half on two more."""

    def plan(self, candidates, tasks):
        first = [Trial(c, t, 0) for t in range(tasks) for c in range(candidates)]
        results = yield first
        fitness = [
            sum(results[Trial(c, t, 0)].fitness for t in range(tasks)) for c in range(candidates)
        ]
        order = sorted(range(candidates), key=lambda c: -fitness[c])
        kept = order[: (candidates + 1) // 2]
        yield [Trial(c, t, s) for s in (1, 2) for t in range(tasks) for c in kept]
        return set(order) - set(kept)


class BySeed(TaskByTask):
    """Scores a candidate by its last coefficient and the seed of the task."""

    def _evaluate_task(self, candidates, family, task):
        return [Evaluation.scored(c, c.theta[-1] + task.seed) for c in candidates]


def _spend(allocation, count, tasks=1):
    candidates = [Candidate(None, (0.0,) * 7 + (float(i),)) for i in range(count)]
    made = [make_task() for _ in range(tasks)]
    made = [type(t)(t.module, t.data, t.session, name=f"t{n}") for n, t in enumerate(made)]
    heard = []
    outcomes = spend(
        allocation,
        candidates,
        FAMILY,
        made,
        lambda task, seed: 100 * task + 10 * seed,
        BySeed(),
        lambda *what: heard.append(what),
    )
    return outcomes, heard


def test_those_given_up_are_told_as_stopped_as_if_they_had_had_all_seeds():
    outcomes, heard = _spend(BetterHalf(), 4)
    assert [item.status for item in outcomes] == [Status.STOPPED] * 2 + [Status.OK] * 2
    assert [item.fitness for item in outcomes] == [10.0, 11.0, 12.0, 13.0]  # means over seeds
    assert [len(item.trainings) for item in outcomes] == [0, 0, 3, 3]
    assert [part.objectives for part in outcomes[3].trainings] == [(3.0,), (13.0,), (23.0,)]
    assert heard[-1] == ("training", 8, 8)


def test_fixed_seeds_are_averaged_over_seeds_and_tasks():
    outcomes, _ = _spend(FixedSeeds(2), 2, tasks=2)
    assert [item.fitness for item in outcomes] == [55.0, 56.0]
    assert [(p.task, p.seed) for p in outcomes[0].trainings] == [
        ("t0", 0),
        ("t0", 1),
        ("t1", 0),
        ("t1", 1),
    ]


def test_nothing_is_spent_on_nobody_and_nobody_is_left_out():
    assert _spend(FixedSeeds(), 0) == ([], [])

    class Forgetful(Allocation):
        def plan(self, candidates, tasks):
            yield [Trial(0, 0, 0)]
            return frozenset()

    with pytest.raises(ValueError, match="to train each candidate, got none for number 1"):
        _spend(Forgetful(), 2)


def test_a_search_that_races_keeps_each_training(tmp_path):
    small_search(tmp_path / "run", allocation=BetterHalf(), generations=2)
    rows = history(tmp_path / "run")
    assert sorted(row["trainings"] for row in rows) == ["1"] * 4 + ["3"] * 4
    assert {row["status"] for row in rows if row["trainings"] == "1"} == {"stopped"}
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    for generation, line in enumerate(map(json.loads, lines)):
        own = [row for row in rows if int(row["generation"]) == generation]
        for index, parts in line["trainings"].items():
            mean = sum(part[2][0] for part in parts) / len(parts)
            assert float(own[int(index)]["fitness"]) == pytest.approx(mean, abs=1e-12)
