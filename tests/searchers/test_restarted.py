import pytest
from searches import restore_searcher, stored_searcher

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families import ExpressionFamily, TaylorFamily
from lightning_lossmeta.searchers import (
    CMAESSearcher,
    EvolutionStrategySearcher,
    GeneticProgrammingSearcher,
    RestartedSearcher,
)

SPACE = TaylorFamily(start="mse").space


class Stuck(CMAESSearcher):
    """Says after its second generation that it can't go on."""

    @property
    def stop_reason(self):
        return "stuck" if self.generation == 2 else None


def _score(candidate):
    return Evaluation.scored(candidate, -sum((value - 0.3) ** 2 for value in candidate.theta))


def _run(searcher, generations, space=SPACE):
    if not searcher.generation:
        searcher.start(space, 7)
    asked = []
    for _ in range(generations):
        asked.append(searcher.ask())
        searcher.tell([_score(candidate) for candidate in asked[-1]])
    return asked


def test_the_first_search_is_the_plain_one_and_the_others_are_others():
    plain = _run(CMAESSearcher(population=6), 3)
    asked = _run(RestartedSearcher(CMAESSearcher(population=6), every=3), 9)
    assert asked[:3] == plain
    firsts = [asked[0], asked[3], asked[6]]
    assert all(one != other for i, one in enumerate(firsts) for other in firsts[:i])
    spread = [max(abs(v - m) for v, m in zip(firsts[1][0].theta, SPACE.start, strict=True))]
    assert max(spread) < 5, "it begins at the start of the space again"


def test_what_each_search_recommends_is_kept():
    searcher = RestartedSearcher(CMAESSearcher(population=6), every=3)
    _run(searcher, 7)
    plain = CMAESSearcher(population=6)
    _run(plain, 3)
    assert len(searcher.recommendations) == 3
    assert searcher.recommendations[0] == plain.recommendation
    assert len(set(searcher.recommendations)) == 3


def test_one_that_is_stuck_is_begun_anew():
    searcher = RestartedSearcher(Stuck(population=6))
    asked = _run(searcher, 6)
    assert searcher.stop_reason is None
    assert len({tuple(generation) for generation in asked}) == 6
    assert len(searcher.recommendations) == 3, "the fourth has not begun"


def test_populations_grow_and_what_was_given_does_not():
    given = CMAESSearcher(population=4)
    asked = _run(RestartedSearcher(given, every=1, growth=2), 4)
    assert [len(generation) for generation in asked] == [4, 8, 16, 32]
    asked = _run(RestartedSearcher(given, every=1, growth=1.5), 4)
    assert [len(generation) for generation in asked] == [4, 8, 8, 12]
    assert given.population == 4
    assert given.generation == 0


def test_goes_on_from_its_history_past_a_restart():
    whole = RestartedSearcher(CMAESSearcher(population=4), every=2, growth=1.5)
    _run(whole, 5)
    cut = RestartedSearcher(CMAESSearcher(population=4), every=2, growth=1.5)
    _run(cut, 3)
    resumed = RestartedSearcher(CMAESSearcher(population=4), every=2, growth=1.5)
    resumed.start(SPACE, 7)
    restore_searcher(resumed, stored_searcher(cut))
    _run(resumed, 2)
    assert resumed.ask() == whole.ask()
    assert resumed.recommendations == whole.recommendations


@pytest.mark.parametrize(
    ("searcher", "space"),
    [
        (GeneticProgrammingSearcher(population=6), ExpressionFamily().space),
        (EvolutionStrategySearcher(parents=3, children=3), SPACE),
    ],
    ids=["trees", "strategies"],
)
def test_holds_any_searcher(searcher, space):
    restarted = RestartedSearcher(searcher, every=2)
    asked = _run(restarted, 5, space)
    assert len(asked) == 5
    assert all(isinstance(candidate, Candidate) for candidate in asked[-1])
    with pytest.raises(TypeError, match="Expected a family whose space"):
        RestartedSearcher(searcher).start(object(), 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"every": 0}, "`every`"),
        ({"growth": 0.5}, "`growth`"),
        ({"growth": float("nan")}, "`growth`"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        RestartedSearcher(CMAESSearcher(), **arguments)
    with pytest.raises(ValueError, match="without `population`"):
        RestartedSearcher(EvolutionStrategySearcher(), growth=2)
