"""NSGA-II on problems whose front is known, and what it does with candidates without scores."""

import statistics

import numpy as np
import pytest

from lightning_lossmeta.benchmarks.zdt import exact_volume, solve
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, TaylorFamily, VectorSpace
from lightning_lossmeta.searchers import NSGA2Searcher, RestartedSearcher
from lightning_lossmeta.searchers.front import Front
from lightning_lossmeta.searchers.hypervolume import hypervolume
from lightning_lossmeta.task import Objective

TWO = (Objective("a"), Objective("b", "min"))
SPACE = VectorSpace(("x", "y"), (0.0, 0.0))


@pytest.mark.parametrize("name", ["ZDT1", "ZDT2"])
def test_finds_the_front_of_deaps_own_test(name):
    """DEAP's test of its NSGA-II, 5 variables, 16 parents, 100 generations, asks for 116 of 120.67.

    16 points on the true front can't reach the integral: what a staircase of as many equal steps
    loses is about 0.03.
    """
    volumes = [hypervolume(solve(name, 5, 16, 100, seed), (-11, -11)) for seed in range(3)]
    assert statistics.median(volumes) > exact_volume(name, 11) - 0.1
    assert max(volumes) < exact_volume(name, 11)


def _tradeoff(candidate):
    """Two distances, to (-1, 0) and (1, 0): the front is the line between them."""
    x, y = candidate.theta
    return -((x - 1) ** 2) - y**2, -((x + 1) ** 2) - y**2


def _searched(searcher, space, score, generations, seed=0):
    searcher.start(space, seed, TWO)
    front = Front()
    for number in range(generations):
        told = [score(item, place) for place, item in enumerate(searcher.ask())]
        searcher.tell(told)
        for item in told:
            front.add(number, item)
    return front


def test_both_ends_of_a_line_are_found():
    def score(item, place):
        return Evaluation.scored(item, *_tradeoff(item))

    front = _searched(NSGA2Searcher(20, sigma=0.5), SPACE, score, 40)
    x, y = np.array([entry.evaluation.candidate.theta for entry in front]).T
    assert x.min() < -0.9
    assert x.max() > 0.9
    assert np.median(abs(y)) < 0.05, "the first samples had a deviation of 0.5"


def test_the_search_begins_at_the_start_and_stays_within_reach():
    searcher = NSGA2Searcher(8, sigma=0.1, reach=2.0)
    space = VectorSpace(("x",), (3.0,))
    searcher.start(space, 0, TWO)
    assert searcher.ask()[0] == Candidate(None, (3.0,))
    for _ in range(20):  # the further the better, in both
        asked = searcher.ask()
        searcher.tell([Evaluation.scored(c, c.theta[0], c.theta[0]) for c in asked])
    found = [item.candidate.theta[0] for items in searcher.history for item in items]
    assert min(found) >= 2.8
    assert max(found) == pytest.approx(3.2)


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.FAILED, Status.REJECTED])
def test_no_parent_is_without_scores_where_enough_have_some(status):
    """Candidates on one side, the better one, all fail: nobody may descend from them."""

    def score(item, place):
        if item.theta[0] > 0.3:
            return Evaluation(item, status=status)
        return Evaluation.scored(item, *_tradeoff(item))

    searcher = NSGA2Searcher(12, sigma=0.5)
    front = _searched(searcher, SPACE, score, 25)
    assert max(entry.evaluation.candidate.theta[0] for entry in front) > 0.1
    assert all(item.scored and item.candidate.theta[0] <= 0.3 for item in searcher._parents)


def test_a_search_in_which_next_to_all_fails_goes_on_with_samples():
    searcher = NSGA2Searcher(8)
    searcher.start(SPACE, 0, TWO)
    first = searcher.ask()
    told = [Evaluation.scored(first[0], 0.0, 0.0)]
    told += [Evaluation(item, status=Status.FAILED) for item in first[1:]]
    searcher.tell(told)
    assert [item.scored for item in searcher._parents] == [True] + 7 * [False]
    assert not {item.candidate for item in searcher._parents[1:]} & set(first)
    assert len(searcher.ask()) == 8


def test_weights_and_scales_of_objectives_do_not_matter():
    def run(factor, weight):
        searcher = NSGA2Searcher(8)
        searcher.start(SPACE, 3, (Objective("a"), Objective("b", "min", weight)))
        for _ in range(5):
            scores = [_tradeoff(item) for item in searcher.ask()]
            pairs = zip(searcher.ask(), scores, strict=True)
            searcher.tell([Evaluation.scored(c, a, factor * b) for c, (a, b) in pairs])
        return searcher.ask()

    assert run(1.0, 1.0) == run(1024.0, 7.0)


def test_equal_candidates_are_one_parent():
    searcher = NSGA2Searcher(8)
    family = ExpressionFamily(max_height=1, max_nodes=3)  # there are few such expressions
    searcher.start(family.space, 0, TWO)
    for _ in range(4):
        searcher.tell([Evaluation.scored(c, 0.5, -0.5) for c in searcher.ask()])
    parents = [item.candidate for item in searcher._parents if item.scored]
    assert len(set(parents)) == len(parents)


def test_expressions_become_small_and_large_at_once():
    """Objectives: many nodes, and few; of each length one expression is enough."""

    def score(item, place):
        size = len(item.theta)
        return Evaluation.scored(item, size, -size)

    family = ExpressionFamily()
    searcher = NSGA2Searcher(20)
    front = _searched(searcher, family.space, score, 12)
    first = [len(item.candidate.theta) for item in searcher.history[0]]
    sizes = [len(entry.evaluation.candidate.theta) for entry in front]
    assert len(set(sizes)) == len(sizes)
    assert min(sizes) <= min(first)
    assert max(sizes) > max(first)
    assert len(sizes) > len(set(first))
    for entry in front:
        family.build(entry.evaluation.candidate)


def test_refined_weights_are_bred_from():
    """A local search moves every vector; the parents are what it made of them."""
    searcher = NSGA2Searcher(4, sigma=0.1)
    space = TaylorFamily(start="mse").space
    searcher.start(space, 0, TWO)
    moved = [Candidate(None, tuple(50 + x for x in item.theta)) for item in searcher.ask()]
    searcher.tell([Evaluation.scored(item, 1.0, 1.0) for item in moved])
    assert {item.candidate for item in searcher._parents} == set(moved)
    for item in searcher.ask():  # within 10 sigma again
        assert item.theta == pytest.approx(space.start, abs=1.0 + 1e-9)


def test_begun_anew_it_still_needs_several_objectives():
    restarted = RestartedSearcher(NSGA2Searcher(4), every=2)
    with pytest.raises(ValueError, match="at least 2 objectives"):
        restarted.start(SPACE, 0)
    restarted.start(SPACE, 0, TWO)
    for _ in range(5):
        restarted.tell([Evaluation.scored(c, *_tradeoff(c)) for c in restarted.ask()])
    assert restarted.seeks_front


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"population": 10}, "multiple of 4, got 10: take 12"),
        ({"population": 0}, "population"),
        ({"sigma": 0.0}, "sigma"),
        ({"reach": -1.0}, "reach"),
        ({"crossover": 1.5}, "crossover"),
        ({"eta": -1.0}, "eta"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        NSGA2Searcher(**arguments)
