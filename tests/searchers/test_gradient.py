import math

import numpy as np
import pytest
from searches import restore_searcher, stored_searcher

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import NetworkFamily, TaylorFamily, VectorSpace
from lightning_lossmeta.searchers import GradientSearcher

CENTRE = np.array([1.0, -2.0, 0.5])
SPACE = VectorSpace(("a", "b", "c"), (3.0, 3.0, 3.0))
NETWORKS = NetworkFamily([3]).space
LOST = [Status.REJECTED, Status.DIVERGED, Status.FAILED]


def _started(population=1, seed=0, space=SPACE, **arguments):
    searcher = GradientSearcher(population, **arguments)
    searcher.start(space, seed)
    return searcher


def _stretch(candidate, steps=5, rate=0.1):
    """Steps down the slope of a paraboloid, as an evaluator that refines takes them."""
    theta = np.array(candidate.theta)
    centre = np.resize(CENTRE, theta.shape)
    for _ in range(steps):
        theta = theta - rate * 2 * (theta - centre)
    fitness = -float(((theta - centre) ** 2).sum())
    return Evaluation.scored(Candidate(None, tuple(theta.tolist())), fitness)


def _run(searcher, generations):
    for _ in range(generations):
        searcher.tell([_stretch(candidate) for candidate in searcher.ask()])
    return searcher


def test_goes_on_from_where_the_local_search_came_to():
    searcher = _started(population=3)
    start = np.array([candidate.theta for candidate in searcher.ask()])
    found = np.array([candidate.theta for candidate in _run(searcher, 4).ask()])
    np.testing.assert_allclose(found, CENTRE + (start - CENTRE) * 0.8**20, rtol=1e-9)
    assert searcher.stop_reason is None


def test_starts_lie_about_the_start_of_the_space():
    starts = np.array([candidate.theta for candidate in _started(2000, sigma=0.5).ask()])
    assert len(np.unique(starts, axis=0)) == 2000
    np.testing.assert_allclose(starts.mean(0), SPACE.start, atol=0.05)
    np.testing.assert_allclose(starts.std(0), 0.5, rtol=0.1)
    exact = _started(sigma=0.0).ask()
    assert exact == [Candidate(None, SPACE.start)]


def test_networks_start_where_their_space_draws():
    starts = [candidate.theta for candidate in _started(500, space=NETWORKS).ask()]
    assert len(set(starts)) == 500
    first = np.array(starts)[:, :9]
    assert 1 / math.sqrt(2) > first.max() > 0.99 / math.sqrt(2)
    assert -first.min() == pytest.approx(1 / math.sqrt(2), rel=0.01)


@pytest.mark.parametrize("space", [SPACE, NETWORKS])
@pytest.mark.parametrize("status", LOST)
def test_what_went_wrong_starts_anew_and_costs_only_itself(space, status):
    searcher = _started(3, space=space)
    asked = searcher.ask()
    told = [_stretch(candidate) for candidate in asked]
    told[1] = Evaluation(told[1].candidate, status=status)
    searcher.tell(told)
    following = searcher.ask()
    assert following[::2] == [told[0].candidate, told[2].candidate]
    assert following[1] not in (*asked, told[1].candidate)
    untold = _started(3, space=space)
    assert untold.ask() == asked


def test_a_fitness_of_minus_infinity_starts_anew_and_a_cached_one_goes_on():
    searcher = _started(2)
    moved = [_stretch(candidate).candidate for candidate in searcher.ask()]
    searcher.tell([Evaluation(moved[0]), Evaluation(moved[1], (0.5,), Status.CACHED)])
    following = searcher.ask()
    assert following[1] == moved[1]
    assert following[0] not in moved


def test_says_when_nothing_refines():
    searcher = _started(2)
    searcher.tell([Evaluation.scored(candidate, 0.5) for candidate in searcher.ask()])
    assert "no refiner" in searcher.stop_reason
    searcher = _started(2)
    asked = searcher.ask()
    searcher.tell([Evaluation.scored(asked[0], 0.5), Evaluation(asked[1], status=Status.REJECTED)])
    assert searcher.stop_reason is None
    searcher.start(SPACE, 0)
    assert searcher.stop_reason is None


@pytest.mark.parametrize("space", [SPACE, NETWORKS, TaylorFamily(problem="regression").space])
def test_a_resumed_search_draws_the_same_starts(space):
    def step(searcher, number):
        told = [_stretch(candidate) for candidate in searcher.ask()]
        told[number % 3] = Evaluation(told[number % 3].candidate, status=Status.DIVERGED)
        searcher.tell(told)

    whole = _started(3, space=space)
    for number in range(3):
        step(whole, number)
    whole.ask()
    state = stored_searcher(whole)
    resumed = _started(3, space=space)
    restore_searcher(resumed, state)
    for number in range(3):
        step(whole, number)
        step(resumed, number)
    assert resumed.ask() == whole.ask()
    assert stored_searcher(resumed) == stored_searcher(whole)


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"sigma": 0.2}, {"space": VectorSpace(SPACE.names, (3.0, 3.0, 2.0))}]
)
def test_another_search_is_refused_although_theta_was_refined(changes):
    state = stored_searcher(_run(_started(), 2))
    with pytest.raises(ValueError, match="Expected the stored state of the searcher"):
        restore_searcher(_started(**changes), state)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population": 0}, "`population` to be an integer of at least 1, got 0"),
        ({"population": 1.0}, "`population`"),
        ({"sigma": -0.1}, "`sigma` to be a number in"),
        ({"sigma": math.inf}, "`sigma`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientSearcher(**arguments)
