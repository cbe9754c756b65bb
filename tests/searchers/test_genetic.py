import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from searches import restore_searcher, stored_searcher

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.searchers import GeneticProgrammingSearcher

FAMILY = ExpressionFamily("regression")
POINTS = torch.meshgrid(*[torch.linspace(-1, 1, 9, dtype=torch.float64)] * 2, indexing="ij")
F, Y = (grid.reshape(-1, 1) for grid in POINTS)


def _started(seed=0, space=FAMILY.space, **arguments):
    searcher = GeneticProgrammingSearcher(**arguments)
    searcher.start(space, seed)
    return searcher


def _distance(candidate):
    """How far a loss is from squared error; less is better, fitness is its negative."""
    values = FAMILY.build(candidate).per_sample(F, Y)
    return -float((values - (F - Y).square().squeeze(1)).abs().mean())


def _by_size(candidate):
    return -float(len(candidate.theta))


def _scored(candidates, fitness=_distance):
    scores = [fitness(candidate) for candidate in candidates]
    return [
        Evaluation.scored(candidate, score if math.isfinite(score) else -math.inf)
        for candidate, score in zip(candidates, scores, strict=True)
    ]


def _run(searcher, generations, fitness=_distance):
    for _ in range(generations):
        searcher.tell(_scored(searcher.ask(), fitness))
    return searcher


def _best(searcher):
    return max((item for told in searcher.history for item in told), key=lambda item: item.fitness)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_finds_squared_error(seed):
    searcher = _started(seed, population=60)
    for _ in range(40):
        _run(searcher, 1)
        if _best(searcher).fitness > -1e-9:
            break
    assert _best(searcher).fitness > -1e-9


def test_defaults_are_those_of_the_paper():
    searcher = _started()
    first = searcher.ask()
    assert len(first) == 25
    assert all(set(candidate.theta) == {1.0} for candidate in first)
    heights = {parse_expression(candidate.structure).height for candidate in first}
    assert {2, 3, 4} <= heights <= {2, 3, 4, 5}
    assert (searcher.crossover, searcher.mutation, searcher.elitism) == (0.7, 0.25, 0.05)
    assert searcher.tournament == 4
    assert searcher.accepts_refined


@pytest.mark.parametrize("space", [FAMILY.space, ExpressionSpace(4, 20), ExpressionSpace(1, 3)])
def test_all_candidates_can_be_built(space):
    family = ExpressionFamily(max_height=space.max_height, max_nodes=space.max_nodes)
    searcher = _started(space=space, population=30)
    for _ in range(12):
        candidates = searcher.ask()
        for candidate in candidates:
            assert family.read(family.build(candidate)) == candidate
        # More nodes are better, so that limits are pressed against.
        searcher.tell(_scored(candidates, lambda c: float(len(c.theta))))


def test_the_best_never_gets_worse():
    searcher = _started()
    best = []
    for _ in range(25):
        _run(searcher, 1)
        best.append(max(item.fitness for item in searcher.history[-1]))
    assert best == sorted(best)
    assert best[-1] > best[0]


@pytest.mark.parametrize(("elitism", "count"), [(0.05, 2), (0.04, 1), (0.2, 5), (0.0, 0)])
def test_the_elite_is_asked_again_with_its_refined_weights(elitism, count):
    searcher = _started(elitism=elitism)
    told = []
    for number, item in enumerate(_scored(searcher.ask())):
        theta = tuple(1 + 0.01 * number + 0.001 * i for i in range(len(item.candidate.theta)))
        told.append(replace(item, candidate=replace(item.candidate, theta=theta)))
    searcher.tell(told)
    ranked = {}
    for item in sorted(told, key=lambda item: -item.fitness):
        ranked.setdefault(item.candidate.structure, item.candidate)
    following = searcher.ask()
    assert following[:count] == list(ranked.values())[:count]
    refined = {item.candidate for item in told}
    for candidate in following[count:]:
        assert candidate in refined or set(candidate.theta) == {1.0}
    assert sum(candidate not in refined for candidate in following) > 12


def test_one_expression_is_in_the_elite_once():
    searcher = _started(population=4, elitism=0.5)
    structures = [candidate.structure for candidate in searcher.ask()]
    searcher._asked = [Candidate("sub(f, y)", (1.0, 1.0))] * 2 + searcher._asked[2:]
    searcher.tell(
        [Evaluation.scored(c, s) for c, s in zip(searcher.ask(), [3, 4, 1, 2], strict=True)]
    )
    assert [c.structure for c in searcher.ask()[:2]] == ["sub(f, y)", structures[3]]


def test_shares_of_crossover_mutation_and_reproduction():
    only = {"crossover": 0.0, "mutation": 0.0, "elitism": 0.0, "population": 40}
    searcher = _started(**only)
    first = searcher.ask()
    reproduced = _run(searcher, 1).ask()
    assert set(reproduced) < set(first)
    assert _distance(max(reproduced, key=_distance)) == _distance(max(first, key=_distance))

    heads = {candidate.structure.split("(")[0] for candidate in first}
    crossed = _run(_started(**{**only, "crossover": 1.0}), 1).ask()
    assert {candidate.structure.split("(")[0] for candidate in crossed} <= heads  # roots stay
    assert len(set(crossed) - set(first)) > 20
    mutated = _run(_started(**{**only, "mutation": 1.0}), 1).ask()
    assert len(set(mutated) - set(first)) > 20


def test_selection_prefers_the_fit():
    sizes = []
    for tournament in (1, 10):
        searcher = _run(_started(population=60, tournament=tournament), 1, _by_size)
        sizes.append(np.mean([len(candidate.theta) for candidate in searcher.ask()]))
    assert sizes[1] < sizes[0] - 2


def test_global_random_state_is_untouched_and_does_not_matter():
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    first = _run(_started(), 6)
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    random.seed(2)
    second = _started()
    for _ in range(6):
        random.random()  # others draw meanwhile
        _run(second, 1)
    assert second.ask() == first.ask()
    assert _run(_started(seed=1), 6).ask() != first.ask()


def test_goes_on_bit_for_bit_from_json_also_with_refined_weights():
    def refined(searcher, generations):
        for _ in range(generations):
            told = []
            for item in _scored(searcher.ask()):
                theta = tuple(w + 0.1 * math.sin(i) for i, w in enumerate(item.candidate.theta))
                told.append(replace(item, candidate=replace(item.candidate, theta=theta)))
            searcher.tell(told)
        return searcher

    whole, cut = refined(_started(), 8), refined(_started(), 3)
    resumed = _started()
    restore_searcher(resumed, stored_searcher(cut))
    assert resumed.ask() == cut.ask()
    assert refined(resumed, 5).ask() == whole.ask()
    assert stored_searcher(resumed) == stored_searcher(whole)


@pytest.mark.parametrize("other", [{"seed": 2}, {"population": 26}, {"max_depth": 3}])
def test_a_state_of_other_settings_is_refused(other):
    state = stored_searcher(_run(_started(), 2))
    with pytest.raises(ValueError, match="stored generation 0 to be what this searcher asks for"):
        restore_searcher(_started(**other), state)


def test_without_any_fitness_it_begins_anew():
    searcher = _started()
    seen = set()
    for _ in range(4):
        candidates = searcher.ask()
        seen |= {candidate.structure for candidate in candidates}
        assert all(len(candidate.theta) <= 33 for candidate in candidates)
        searcher.tell([Evaluation(c, status=Status.REJECTED) for c in candidates])
    assert len(seen) > 70
    assert _best(_run(searcher, 6)).fitness > -1


def test_one_that_trains_among_the_rejected_is_kept_and_bred():
    searcher = _started()
    candidates = searcher.ask()
    told = [Evaluation(c, status=Status.REJECTED) for c in candidates]
    told[7] = Evaluation.scored(candidates[7], -5.0)
    searcher.tell(told)
    following = searcher.ask()
    assert following[0] == candidates[7]
    assert following.count(candidates[7]) < 24


def test_spread_is_the_share_of_different_expressions():
    assert math.isnan(GeneticProgrammingSearcher().diversity)
    searcher = _started(crossover=0.0, mutation=0.0, population=50)
    assert math.isnan(searcher.diversity)
    assert _run(searcher, 1).diversity > 0.9
    assert _run(searcher, 8).diversity < 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population": 1}, "`population` to be an integer of at least 2, got 1"),
        ({"tournament": 0}, "`tournament` to be an integer of at least 1, got 0"),
        ({"min_depth": 0}, "`min_depth`"),
        ({"min_depth": 3, "max_depth": 2}, "`max_depth` to be an integer of at least 3, got 2"),
        ({"crossover": 1.5}, r"`crossover` to be a number in \[0, 1\], got 1.5"),
        ({"mutation": math.nan}, "`mutation`"),
        ({"crossover": 0.8, "mutation": 0.3}, "to sum to at most 1, got 0.8 and 0.3"),
        ({"elitism": 1.0}, r"`elitism` to be a number in \[0, 1\), got 1.0"),
        ({"elitism": 0.9, "population": 5}, "`elitism` to leave room for others, got 0.9"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        GeneticProgrammingSearcher(**arguments)
