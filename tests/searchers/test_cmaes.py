import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import restore_searcher, stored_searcher

from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import VectorSpace
from lightning_lossmeta.searchers import CMAESSearcher

CENTRE = np.array([1.0, -2.0, 0.5, 3.0])


def _space(dimension=4):
    names = tuple(f"theta{i}" for i in range(dimension))
    return VectorSpace(names, (0.0,) * dimension)


def _started(population=12, sigma=0.5, seed=1, dimension=4):
    searcher = CMAESSearcher(population, sigma)
    searcher.start(_space(dimension), seed)
    return searcher


def _sphere(candidate):
    return -float(((np.array(candidate.theta) - CENTRE) ** 2).sum())


def _some_fail(candidate):
    """The sphere, where a third of the space has no fitness."""
    return _sphere(candidate) if candidate.theta[0] > -0.2 else -math.inf


def _run(searcher, generations, fitness=_sphere):
    for _ in range(generations):
        searcher.tell([Evaluation.scored(c, fitness(c)) for c in searcher.ask()])
    return searcher


@pytest.mark.parametrize("fitness", [_sphere, _some_fail])
def test_finds_the_optimum_of_a_sphere(fitness):
    searcher = _run(_started(), 80, fitness)
    best = max(searcher.ask(), key=_sphere)
    np.testing.assert_allclose(best.theta, CENTRE, atol=1e-4)
    assert searcher.diversity < 1e-3


@pytest.mark.parametrize("population", [2, 3, 7])
def test_any_population_gets_better(population):
    searcher = _started(population)
    start = max(map(_sphere, searcher.ask()))
    assert len(searcher.ask()) == population
    assert max(map(_sphere, _run(searcher, 60).ask())) > start + 5


def test_one_parameter():
    searcher = _run(CMAESSearcher(6), 0)
    searcher.start(_space(1), 0)
    _run(searcher, 60, lambda c: -((c.theta[0] - 2) ** 2))
    assert searcher.ask()[0].theta[0] == pytest.approx(2, abs=1e-3)


def test_global_random_state_is_untouched_and_does_not_matter():
    def states():
        return random.getstate(), np.random.get_state(), torch.get_rng_state()

    np.random.seed(1)
    random.seed(1)
    torch.manual_seed(1)
    before = states()
    first = _run(_started(), 12)
    after = states()
    assert before[0] == after[0]
    assert all(np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True))
    assert torch.equal(before[2], after[2])
    np.random.seed(2)
    random.seed(2)
    torch.manual_seed(2)
    assert _run(_started(), 12).ask() == first.ask()


def test_seeds_differ():
    assert _started(seed=1).ask() != _started(seed=2).ask()


@given(st.lists(st.sampled_from([math.inf, -math.inf, 1e308, -1e308, 0.5, 0.0]), min_size=6))
@settings(max_examples=40, deadline=None)
def test_only_finite_costs_reach_pycma_and_none_is_better_than_a_fitness(scores):
    searcher = _started(len(scores))
    seen = []
    searcher._strategy.tell = lambda points, costs: seen.extend(costs)
    searcher.tell([Evaluation.scored(c, s) for c, s in zip(searcher.ask(), scores, strict=True)])
    assert all(map(math.isfinite, seen))
    finite = [cost for cost, score in zip(seen, scores, strict=True) if math.isfinite(score)]
    others = [cost for cost, score in zip(seen, scores, strict=True) if not math.isfinite(score)]
    assert finite == [-score for score in scores if math.isfinite(score)]
    if finite and others:
        assert min(others) > max(finite) or max(finite) == 1e308


def test_generations_without_any_fitness_are_survived():
    searcher = _started()
    for _ in range(5):
        rejected = [Evaluation(c, status=Status.REJECTED) for c in searcher.ask()]
        searcher.tell(rejected)
    assert math.isfinite(searcher.diversity)
    assert max(map(_sphere, _run(searcher, 60).ask())) > -1


@pytest.mark.parametrize("fitness", [_sphere, _some_fail, lambda c: 0.5])
def test_goes_on_bit_for_bit_from_json(fitness):
    whole = _run(_started(), 9, fitness)
    cut = _run(_started(), 4, fitness)
    assert cut.stop_reason is None  # asking that leaves no trace
    resumed = _started()
    restore_searcher(resumed, stored_searcher(cut))
    assert resumed.generation == 4
    assert resumed.diversity == cut.diversity
    _run(resumed, 5, fitness)
    assert resumed.ask() == whole.ask()
    assert resumed.diversity == whole.diversity
    assert stored_searcher(resumed) == stored_searcher(whole)


def test_resumed_between_ask_and_tell():
    cut = _run(_started(), 3)
    asked = cut.ask()
    resumed = _started()
    restore_searcher(resumed, stored_searcher(cut))
    assert resumed.ask() == asked


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"sigma": 0.6}, {"population": 11}, {"dimension": 5}]
)
def test_a_state_of_other_settings_is_refused(other):
    state = stored_searcher(_run(_started(), 2))
    with pytest.raises(ValueError, match="stored generation 0 to be what this searcher asks for"):
        restore_searcher(_started(**other), state)


def test_says_when_there_is_no_point_in_going_on():
    searcher = _run(_started(), 3, lambda c: sum(c.theta))
    assert searcher.stop_reason is None
    assert "tolfacupx" in _run(searcher, 120, lambda c: sum(c.theta)).stop_reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population": 1}, "`population` to be an integer of at least 2, got 1"),
        ({"population": 4.0}, "`population`"),
        ({"population": True}, "`population`"),
        ({"sigma": 0.0}, r"`sigma` to be a number in \(0, inf\), got 0.0"),
        ({"sigma": math.nan}, "`sigma`"),
        ({"sigma": "1"}, "`sigma`"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        CMAESSearcher(**arguments)


def test_before_the_start_there_is_no_spread():
    assert math.isnan(CMAESSearcher().diversity)
    assert CMAESSearcher().stop_reason is None
