import copy
import math

import pytest
from searches import restore_searcher, stored_searcher

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import FiniteSpace
from lightning_lossmeta.searchers import Searcher

SPACE = FiniteSpace(("a",))


class Counting(Searcher):
    """Asks for two candidates, numbered by generation, and keeps what it is told."""

    def _start(self, space, seed):
        self.number, self.seen = seed, []

    def _ask(self):
        self.number += 1
        return [Candidate("a", (float(self.number),)), Candidate(None, (-float(self.number),))]

    def _tell(self, evaluations):
        self.seen.append(evaluations)


class Refining(Counting):
    accepts_refined = True


def _started(cls=Counting, seed=0):
    searcher = cls()
    searcher.start(SPACE, seed)
    return searcher


def _scored(candidates, fitness=0.5):
    return [Evaluation.scored(candidate, fitness) for candidate in candidates]


def test_asked_twice_is_asked_once():
    searcher = _started()
    first = searcher.ask()
    first.clear()  # a caller's list is its own
    assert [c.theta for c in searcher.ask()] == [(1.0,), (-1.0,)]
    assert searcher.number == 1


def test_order_of_calls():
    searcher = Counting()
    with pytest.raises(RuntimeError, match=r"Expected `start\(space, seed\)` before `ask\(\)`"):
        searcher.ask()
    searcher.start(SPACE, 0)
    with pytest.raises(RuntimeError, match=r"Expected `ask\(\)` before `tell\(\)`"):
        searcher.tell([])
    searcher.tell(_scored(searcher.ask()))
    with pytest.raises(RuntimeError, match="before `tell"):
        searcher.tell([])
    assert searcher.generation == 1


def test_start_begins_anew():
    searcher = _started()
    searcher.tell(_scored(searcher.ask()))
    searcher.start(SPACE, 10)
    assert searcher.generation == 0
    assert searcher.ask()[0].theta == (11.0,)


def test_evaluations_are_of_what_was_asked():
    searcher = _started()
    one, two = searcher.ask()
    with pytest.raises(ValueError, match="Expected 2 evaluations, one a candidate, got 1"):
        searcher.tell(_scored([one]))
    with pytest.raises(ValueError, match="Expected evaluation 0 to be of Candidate"):
        searcher.tell(_scored([two, one]))
    with pytest.raises(ValueError, match="Expected evaluation 1"):
        searcher.tell(_scored([one, Candidate(None, (9.0,))]))
    assert searcher.generation == 0
    searcher.tell(_scored([one, two]))


def test_local_search_may_change_theta_but_not_structure():
    searcher = _started(Refining)
    one, two = searcher.ask()
    with pytest.raises(ValueError, match="Expected evaluation 0"):
        searcher.tell(_scored([Candidate("b", one.theta), two]))
    refined = [Candidate("a", (9.0,)), Candidate(None, (8.0, 7.0))]
    searcher.tell(_scored(refined))
    state = stored_searcher(searcher)
    resumed = _started(Refining)
    restore_searcher(resumed, state)
    assert [item.candidate for item in resumed.seen[0]] == refined


def test_is_told_only_what_is_stored():
    searcher = _started()
    curves = {"train_loss": ((1, 0.5),)}
    told = [
        Evaluation(
            searcher.ask()[0],
            (math.inf,),
            Status.OK,
            metrics={"a": 1.0},
            curves=curves,
            seconds=3.0,
            message="why",
        ),
        Evaluation(searcher.ask()[1], status=Status.REJECTED),
    ]
    searcher.tell(told)
    assert searcher.seen[0] == [
        Evaluation(told[0].candidate, (), Status.OK, (1.0,)),
        Evaluation(told[1].candidate, (), Status.REJECTED, (1.0,)),
    ]


def test_resumed_is_told_the_same():
    searcher = _started()
    for fitness in (0.1, -math.inf, 1 / 3):
        searcher.tell(_scored(searcher.ask(), fitness))
    resumed = _started()
    restore_searcher(resumed, stored_searcher(searcher))
    assert resumed.seen == searcher.seen
    assert resumed.ask() == searcher.ask()
    assert stored_searcher(resumed) == stored_searcher(searcher)


def test_a_state_of_another_search_is_refused():
    searcher = _started()
    searcher.tell(_scored(searcher.ask()))
    state = stored_searcher(searcher)
    with pytest.raises(ValueError, match="stored generation 0 to be what this searcher asks for"):
        restore_searcher(_started(seed=1), state)
    shorter = copy.deepcopy(state)
    del shorter["history"][0][1]
    with pytest.raises(ValueError, match="Expected 2 evaluations, one a candidate, got 1"):
        restore_searcher(_started(), shorter)


@pytest.mark.parametrize(
    "rows",
    [3, [[None]], [[None, [0.1], [0.5], "fine"]], [[None, [0.1], [0.5, 0.5], "ok"]], [[None, 1]]],
)
def test_what_is_no_history_is_refused(rows):
    with pytest.raises(ValueError, match="Expected generation 0 of a stored search to hold"):
        _started().replay([rows])


def test_a_state_that_the_history_does_not_lead_to_is_refused():
    with pytest.raises(ValueError, match="Expected the stored state of the searcher"):
        _started().load_state_dict({"some": "state"})


def test_a_history_is_replayed_right_after_the_start():
    searcher = _started()
    searcher.tell(_scored(searcher.ask()))
    history = stored_searcher(searcher)["history"]
    with pytest.raises(RuntimeError, match="right before"):
        searcher.replay(history)
    with pytest.raises(RuntimeError, match="start"):
        Counting().replay(history)


def test_has_no_spread_and_never_finishes_unless_it_says_so():
    assert math.isnan(_started().diversity)
    assert _started().stop_reason is None
