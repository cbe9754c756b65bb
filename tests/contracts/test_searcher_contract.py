"""What every searcher of the package keeps."""

import json
import math
import random

import numpy as np
import pytest
import torch
from searches import restore_searcher, stored_searcher
from walking import concrete_subclasses, constructor_arguments

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, FiniteSpace, Space, TaylorFamily
from lightning_lossmeta.searchers import CMAESSearcher, NSGA2Searcher, Searcher
from lightning_lossmeta.task import Objective

#: A space of each kind.
SPACES = [TaylorFamily(start="mse").space, ExpressionFamily().space, FiniteSpace(("CE", "MSE"))]
SEARCHERS = concrete_subclasses(Searcher)
OBJECTIVES = (Objective("val_accuracy"), Objective("val_loss", "min"))


@pytest.fixture(params=SEARCHERS, ids=lambda cls: cls.__name__)
def make(request):
    def started(seed=0):
        searcher = request.param.example()
        space = next(s for s in SPACES if isinstance(s, searcher.accepts))
        searcher.start(space, seed, _objectives(searcher))
        return searcher

    return started


def _objectives(searcher):
    """As many objectives as a searcher needs."""
    return OBJECTIVES[: 1 + searcher.seeks_front]


def _score(candidate, number, count):
    """Some objectives, and now and then none."""
    if number % 5 == 4:
        return Evaluation(candidate, status=Status.DIVERGED)
    scores = [-sum((value - best) ** 2 for value in candidate.theta) for best in (0.3, -0.2)]
    return Evaluation.scored(candidate, *scores[:count])


def _run(searcher, generations):
    for _ in range(generations):
        count = len(searcher.objectives)
        searcher.tell([_score(c, i, count) for i, c in enumerate(searcher.ask())])
    return searcher


def test_the_walk_finds_what_there_is():
    assert {CMAESSearcher, NSGA2Searcher} <= set(SEARCHERS)


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


@pytest.mark.parametrize("done", [0, 3])
def test_goes_on_from_json_bit_for_bit(make, done):
    whole, cut = _run(make(), 6), _run(make(), done)
    resumed = make()
    restore_searcher(resumed, stored_searcher(cut))
    assert _run(resumed, 6 - done).ask() == whole.ask()
    assert stored_searcher(resumed) == stored_searcher(whole)


def test_another_search_is_refused(make):
    state = stored_searcher(_run(make(), 2))
    with pytest.raises(ValueError, match="Expected the stored"):
        restore_searcher(make(seed=1), state)


def test_a_generation_without_any_fitness_is_survived(make):
    searcher = make()
    searcher.tell([Evaluation(c, status=Status.REJECTED) for c in searcher.ask()])
    assert _run(searcher, 2).generation == 3


def test_takes_the_spaces_that_it_accepts_and_no_others(make):
    class Unknown(Space):
        def sample(self, seed):
            return Candidate(None)

    searcher = make()
    kinds = " or ".join(kind.__name__ for kind in searcher.accepts)
    for space in (*SPACES, Unknown(), object(), ("a", "b"), None):
        if isinstance(space, searcher.accepts):
            searcher.start(space, 0, _objectives(searcher))
            assert searcher.ask()
            continue
        with pytest.raises(TypeError) as refusal:
            searcher.start(space, 0)
        assert str(refusal.value) == (
            f"Expected a family whose space is of kind {kinds} for {type(searcher).__name__}, got "
            f"{type(space).__name__}: choose another family or searcher."
        )


def test_a_refused_space_leaves_the_search_as_it_was(make):
    searcher = _run(make(), 2)
    asked = searcher.ask()
    with pytest.raises(TypeError, match="Expected a family"):
        searcher.start(object(), 0)
    assert searcher.ask() == asked
    assert searcher.generation == 2


def test_one_that_seeks_a_front_refuses_a_single_objective_and_stays_as_it_was(make):
    searcher = _run(make(), 2)
    asked = searcher.ask()
    space = next(s for s in SPACES if isinstance(s, searcher.accepts))
    if not searcher.seeks_front:
        searcher.start(space, 0)
        return
    with pytest.raises(ValueError, match=r"at least 2 objectives .*\['val_accuracy'\]"):
        searcher.start(space, 0)
    assert searcher.ask() == asked


def test_what_accepts_nothing_in_particular_gets_any_space():
    class Drawing(Searcher):
        def _start(self, space, seed):
            self.space, self.generator = space, np.random.default_rng(seed)

        def _ask(self):
            return [self.space.sample(self.generator) for _ in range(3)]

        def _tell(self, evaluations):
            pass

    for space in SPACES:
        searcher = Drawing()
        searcher.start(space, 0)
        assert _run(searcher, 3).generation == 3
    with pytest.raises(TypeError, match="of kind Space for Drawing, got object"):
        Drawing().start(object(), 0)


def test_what_it_was_made_with_can_be_read_off(make):
    searcher = make()
    found = fingerprint(searcher)
    assert set(constructor_arguments(type(searcher))) <= set(found)
    json.dumps(found, allow_nan=False)
