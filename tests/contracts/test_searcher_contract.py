"""What every searcher of the package keeps."""

import json
import math
import random

import numpy as np
import pytest
import torch
from walking import concrete_subclasses, constructor_arguments

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, TaylorFamily
from lightning_lossmeta.searchers import CMAESSearcher, Searcher

#: Spaces to offer a searcher until it takes one.
SPACES = [TaylorFamily(start="mse").space, ExpressionFamily().space]
SEARCHERS = concrete_subclasses(Searcher)


@pytest.fixture(params=SEARCHERS, ids=lambda cls: cls.__name__)
def make(request):
    def started(seed=0):
        for space in SPACES:
            searcher = request.param()
            try:
                searcher.start(space, seed)
            except TypeError:
                continue
            return searcher
        raise AssertionError(f"{request.param.__name__} takes none of the known spaces")

    return started


def _score(candidate, number):
    """Some fitness, and now and then none."""
    if number % 5 == 4:
        return Evaluation(candidate, status=Status.DIVERGED)
    return Evaluation(candidate, -sum((value - 0.3) ** 2 for value in candidate.theta))


def _run(searcher, generations):
    for _ in range(generations):
        searcher.tell([_score(c, i) for i, c in enumerate(searcher.ask())])
    return searcher


def test_the_walk_finds_what_there_is():
    assert CMAESSearcher in SEARCHERS


def test_candidates_are_finite_and_plain(make):
    for candidate in make().ask():
        assert all(type(value) is float and math.isfinite(value) for value in candidate.theta)
        assert candidate.structure is None or isinstance(candidate.structure, str)


def test_one_seed_is_one_search_whatever_the_global_random_state(make):
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    first = _run(make(), 4).ask()
    random.seed(2)
    np.random.seed(2)
    torch.manual_seed(2)
    assert _run(make(), 4).ask() == first
    assert _run(make(seed=1), 4).ask() != first


def test_global_random_state_is_left_alone(make):
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    _run(make(), 4)
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_asking_twice_is_asking_once(make):
    searcher = make()
    assert searcher.ask() == searcher.ask()


def test_goes_on_from_json_bit_for_bit(make):
    whole, cut = _run(make(), 6), _run(make(), 3)
    resumed = make()
    resumed.load_state_dict(json.loads(json.dumps(cut.state_dict(), allow_nan=False)))
    assert _run(resumed, 3).ask() == whole.ask()
    assert resumed.state_dict() == whole.state_dict()


def test_another_search_is_refused(make):
    state = _run(make(), 2).state_dict()
    with pytest.raises(ValueError, match="stored generation"):
        make(seed=1).load_state_dict(state)


def test_a_generation_without_any_fitness_is_survived(make):
    searcher = make()
    searcher.tell([Evaluation(c, status=Status.REJECTED) for c in searcher.ask()])
    assert _run(searcher, 2).generation == 3


def test_spaces_that_it_does_not_know_are_refused(make):
    with pytest.raises(TypeError, match="Expected"):
        type(make())().start(object(), 0)


def test_what_it_was_made_with_can_be_read_off(make):
    searcher = make()
    found = fingerprint(searcher)
    assert set(constructor_arguments(type(searcher))) <= set(found)
    json.dumps(found, allow_nan=False)
