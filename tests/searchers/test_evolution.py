"""The evolution strategy: mutations by hand, records of parents, noise that changes."""

import math
import random

import numpy as np
import pytest

from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import VectorSpace
from lightning_lossmeta.searchers import EvolutionStrategySearcher


def _space(dimension, start=0.0):
    return VectorSpace(tuple(f"x{i}" for i in range(dimension)), (start,) * dimension)


def _tell(searcher, scores):
    asked = searcher.ask()
    searcher.tell(
        [
            Evaluation(candidate, status=Status.DIVERGED)
            if score is None
            else Evaluation.scored(candidate, score)
            for candidate, score in zip(asked, scores, strict=True)
        ]
    )
    return asked


def test_mutation_is_log_normal_in_strength_and_normal_in_weight():
    searcher = EvolutionStrategySearcher(parents=1, children=2, sigma=0.5)
    searcher.start(_space(4, 1.0), seed=11)
    parent, *children = searcher.ask()
    assert parent.theta == (1.0,) * 4
    own = random.Random(11)
    for child in children:
        common = own.gauss(0, 1)
        for value in child.theta:
            assert own.random() < 1  # DEAP's draw of whether the weight mutates
            strength = 0.5 * math.exp(
                common / math.sqrt(2 * 4) + own.gauss(0, 1) / math.sqrt(2 * math.sqrt(4))
            )
            assert value == pytest.approx(1 + strength * own.gauss(0, 1), abs=1e-12)


def test_records_are_means_less_what_a_generation_was_easier():
    searcher = EvolutionStrategySearcher(parents=2, children=2, caution=0.0)
    searcher.start(_space(3), seed=0)
    first = _tell(searcher, [0.5, 0.4, 0.3, 0.2])
    assert searcher.leaders() == first[:2]
    # 0.2 easier: the parents' records become (0.5 + 0.6) / 2 and (0.4 + 0.3) / 2
    second = _tell(searcher, [0.8, 0.5, 0.76, 0.54])
    assert searcher.leaders() == [second[2], second[0]]  # 0.56 of one score, 0.55 of two
    # as before: 0.56 - 0.06 and 0.55 + 0.06 on top of what was
    third = _tell(searcher, [0.5, 0.61, 0.1, 0.1])
    assert searcher.leaders() == [third[1], third[0]]


def test_caution_keeps_a_lucky_first_score_from_the_lead():
    leaders = []
    for caution in (0.0, 4.0):
        searcher = EvolutionStrategySearcher(2, 1, caution=caution)
        searcher.start(_space(3), seed=0)
        for _ in range(6):
            parents = _tell(searcher, [0.6, 0.4, 0.1])[:2]
        *_, child = _tell(searcher, [0.6, 0.4, 0.65])
        leaders.append(searcher.leaders()[0])
    # (0.65 + 4 0.5) / 5 is 0.53, (7 0.6 + 4 0.5) / 11 is 0.56
    assert leaders == [child, parents[0]]


def test_parents_that_diverge_make_way_for_samples():
    searcher = EvolutionStrategySearcher(parents=2, children=1)
    searcher.start(_space(2), seed=0)
    parents = _tell(searcher, [None, 0.3, None])
    kept, new, _ = searcher.ask()
    assert kept == parents[1]
    assert new not in parents
    assert searcher.leaders() == [kept]


def test_the_leader_is_good_though_generations_and_scores_are_noisy():
    """Fitness jumps by ten times what candidates differ in: luck alone would choose at random."""

    def true(candidate):
        return -float(np.square(np.array(candidate.theta) - 1).mean())

    generator = np.random.default_rng(0)
    searcher = EvolutionStrategySearcher(parents=4, children=12, sigma=0.1)
    searcher.start(_space(6), seed=3)
    for _ in range(100):
        easier = generator.normal(0, 10)
        _tell(searcher, [true(c) + easier + generator.normal(0, 0.02) for c in searcher.ask()])
    assert true(searcher.leaders()[0]) > -0.15


@pytest.mark.parametrize(
    "arguments", [{"parents": 0}, {"children": 0}, {"sigma": 0.0}, {"caution": -1.0}]
)
def test_bad_settings_are_refused(arguments):
    with pytest.raises(ValueError, match=f"Expected argument `{next(iter(arguments))}`"):
        EvolutionStrategySearcher(**arguments)
