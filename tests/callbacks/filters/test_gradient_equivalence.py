import math
from dataclasses import replace

import pytest
import torch
from searches import make_search, restore_searcher, stored_searcher

from lightning_lossmeta.callbacks.filters.gradient_equivalence import (
    GradientEquivalence,
    gradient_norms,
)
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.losses import CrossEntropy, LossFunction, RegressionAbsoluteError
from lightning_lossmeta.searchers import GeneticProgrammingSearcher

FAMILY = ExpressionFamily()
SQUARED = "square(sub(f, y))"


class Constant(LossFunction):
    def per_sample(self, output, target):
        return torch.ones(len(output), dtype=output.dtype)


def _plain(text):
    return Candidate(text, (1.0,) * (len(parse_expression(text)) - 1))


def _genetic(directory, family=FAMILY, num_classes=3, population=2):
    searcher = GeneticProgrammingSearcher(population=population)
    searcher.start(family.space, 1)
    search = make_search(directory)
    return replace(search, family=family, searcher=searcher, num_classes=num_classes)


def _filter(tmp_path, told, family=FAMILY, num_classes=3, **settings):
    """A filter of a search that was told these."""
    search = _genetic(tmp_path, family, num_classes)
    search.searcher._history = [told]
    found = GradientEquivalence(**settings)
    found.on_search_start(search)
    return lambda candidate: found.screen_refined(candidate, family.build(candidate)), found


def test_a_constant_makes_no_difference(tmp_path):
    screen, equivalence = _filter(tmp_path, [Evaluation.scored(_plain(SQUARED), 0.75)])
    shifted = _plain(f"add({SQUARED}, +1)")
    found = screen(shifted)
    assert (found.candidate, found.fitness, found.status) == (shifted, 0.75, Status.CACHED)
    assert found.message == "gradient equivalence: as a loss of generation 0"
    assert screen(_plain("log(sub(f, y))")) is None
    assert equivalence.counts == {"cached": 1, "passed": 1}


def test_digits(tmp_path):
    told = [Evaluation.scored(_plain(SQUARED), 0.5)]
    near = Candidate(SQUARED, (1.0 + 1e-9, 1.0, 1.0))
    twice = Candidate(SQUARED, (2**0.5, 2**0.5, 1.0))
    assert _filter(tmp_path, told, digits=2)[0](near).fitness == 0.5
    assert _filter(tmp_path, told, digits=15)[0](near) is None
    assert _filter(tmp_path, told, digits=1)[0](twice) is None
    rough = Candidate(SQUARED, (1.001, 1.0, 1.0))
    assert _filter(tmp_path, told, digits=2, samples=1)[0](rough) is not None
    assert _filter(tmp_path, told, digits=6, samples=1)[0](rough) is None


def test_only_what_was_scored_counts_and_the_first_of_it(tmp_path):
    for status in (Status.REJECTED, Status.DIVERGED, Status.FAILED):
        assert (
            _filter(tmp_path, [Evaluation(_plain(SQUARED), status=status)])[0](_plain(SQUARED))
            is None
        )
    told = [
        Evaluation.scored(_plain(SQUARED), 0.25),
        Evaluation.scored(_plain("square(sub(y, f))"), 0.5),
    ]
    assert _filter(tmp_path, told)[0](_plain(SQUARED)).fitness == 0.25


def test_a_fitness_belongs_to_the_weights_that_were_scored(tmp_path):
    refined = Candidate(SQUARED, (2.0, 1.0, 1.0))
    screen, _ = _filter(tmp_path, [Evaluation.scored(refined, 0.75)])
    assert screen(_plain(SQUARED)) is None
    other = Candidate("mul(sub(f, y), sub(y, f))", (2.0, 1.0, 1.0, 2.0, 1.0, 1.0))
    assert screen(other).fitness == 0.75  # the negative of it: norms are the same
    assert screen(other).candidate == other


def test_infinite_gradients_equal_none(tmp_path):
    wild = Candidate(SQUARED, (1e200, 1e200, 1.0))
    screen, _ = _filter(tmp_path, [Evaluation.scored(wild, 0.5)])
    assert screen(wild) is None


def test_regression(tmp_path):
    family = ExpressionFamily("regression")
    told = [Evaluation.scored(_plain("abs(sub(f, y))"), 0.5)]
    screen, _ = _filter(tmp_path, told, family, num_classes=None)
    assert screen(_plain("max(sub(f, y), sub(y, f))")).fitness == 0.5
    assert screen(_plain(SQUARED)) is None


def test_norms_by_hand():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    expected = torch.tensor([0.5, 0.75]) * 2**0.5
    torch.testing.assert_close(
        gradient_norms(CrossEntropy(), logits, torch.tensor([0, 1])), expected
    )
    with torch.inference_mode():
        norms = gradient_norms(RegressionAbsoluteError(), torch.ones(2, 4), torch.zeros(2, 4))
        assert norms.tolist() == [0.5, 0.5]
        assert gradient_norms(Constant(), logits, torch.tensor([0, 1])).tolist() == [0, 0]


def _evolve(search, equivalence, generations):
    """A search whose fitness is the expression's length."""
    equivalence.on_search_start(search)
    for _ in range(generations):
        found = []
        for candidate in search.searcher.ask():
            verdict = equivalence.screen_refined(candidate, search.family.build(candidate))
            found.append(verdict or Evaluation.scored(candidate, -float(len(candidate.theta))))
        search.searcher.tell(found)
        equivalence.on_generation_end(search, search.searcher.generation - 1, found)


def test_a_resumed_search_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole, part, resumed = (_genetic(tmp_path, population=10) for _ in range(3))
    equivalence = GradientEquivalence(samples=10)
    _evolve(whole, equivalence, 4)
    _evolve(part, GradientEquivalence(samples=10), 2)
    restore_searcher(resumed.searcher, stored_searcher(part.searcher))
    _evolve(resumed, GradientEquivalence(samples=10), 2)
    assert resumed.searcher.history == whole.searcher.history
    assert equivalence.counts["cached"] > 2


def test_refuses():
    for settings in ({"digits": 0}, {"samples": 0}):
        with pytest.raises(ValueError, match="to be an integer of at least 1, got 0"):
            GradientEquivalence(**settings)
