import math
from dataclasses import replace

import torch
from searches import make_search, restore_searcher, run_search, stored_searcher

from lightning_lossmeta.callbacks.filters.archive import SymbolicArchive
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, ExpressionLoss
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.losses import Identity
from lightning_lossmeta.searchers import GeneticProgrammingSearcher

FAMILY = ExpressionFamily()
# Eighths, with which sums and products are exact: sign() sees no rounding.
POINTS = torch.randint(-24, 25, (2, 200), generator=torch.Generator().manual_seed(0)).double() / 8


def _values(text, theta=None):
    theta = theta or [1.0] * (len(parse_expression(text)) - 1)
    return ExpressionLoss(text, theta, link=Identity()).values(*POINTS)


def _told(candidate, fitness=0.75, status=Status.OK):
    scores = (fitness,) if math.isfinite(fitness) else ()
    return Evaluation(candidate, scores, status)


def _search(directory, searcher):
    return replace(make_search(directory), family=FAMILY, searcher=searcher)


def _archive(tmp_path, told):
    """An archive of a search that was told these."""
    searcher = GeneticProgrammingSearcher(population=2)
    searcher.start(FAMILY.space, 0)
    searcher._history = [told]
    archive = SymbolicArchive()
    archive.on_search_start(_search(tmp_path, searcher))
    return archive


def _screened(archive, text, theta=None):
    theta = theta or (1.0,) * (len(parse_expression(text)) - 1)
    candidate = Candidate(text, theta)
    found = archive.screen(candidate, FAMILY.build(candidate))
    assert found is None or found.candidate.structure == text
    return found


def test_gives_outcomes_again(tmp_path):
    plain = (1.0, 1.0, 1.0)
    archive = _archive(
        tmp_path,
        [
            _told(Candidate("square(sub(f, y))", plain)),
            _told(Candidate("sub(f, y)", plain[:2]), -math.inf, Status.REJECTED),
            _told(Candidate("add(f, y)", plain[:2]), -math.inf, Status.DIVERGED),
            _told(Candidate("mul(f, y)", plain[:2]), -math.inf, Status.FAILED),
        ],
    )
    found = _screened(archive, "square(sub(y, f))")
    assert (found.status, found.fitness) == (Status.CACHED, 0.75)
    assert found.message == "symbolic archive: equal to a loss of generation 0"
    assert _screened(archive, "add(f, mul(-1, y))").status is Status.REJECTED
    assert _screened(archive, "add(y, f)").status is Status.DIVERGED
    assert _screened(archive, "mul(f, y)") is None
    assert _screened(archive, "square(sub(f, y))", (1.0, 2.0, 1.0)) is None
    assert archive.counts == {"cached": 1, "rejected": 1, "diverged": 1}


def test_the_first_outcome_stays(tmp_path):
    first, second = (Candidate(text, (1.0, 1.0)) for text in ("add(f, y)", "add(y, f)"))
    archive = _archive(tmp_path, [_told(first, 0.25), _told(second, 0.5)])
    assert _screened(archive, "add(y, f)").fitness == 0.25


def test_refined_weights_come_along(tmp_path):
    refined = Candidate("mul(sub(f, y), add(y, +1))", (2.0, 3.0, 4.0, 5.0, 6.0, 7.0))
    archive = _archive(tmp_path, [_told(refined)])
    text = "mul(add(+1, y), sub(f, y))"
    found = _screened(archive, text)
    assert (found.status, found.fitness) == (Status.CACHED, 0.75)
    torch.testing.assert_close(
        _values(text, found.candidate.theta), _values(refined.structure, refined.theta)
    )
    assert _screened(archive, refined.structure).candidate == refined
    # The same function before refinement, but not with the same weights to refine.
    assert _screened(archive, "mul(add(+1, y), add(f, mul(-1, y)))") is None
    # The refined loss itself, e.g. as elite.
    assert _screened(archive, refined.structure, refined.theta).candidate == refined


def test_other_families_by_their_parameters(tmp_path):
    search = make_search(tmp_path)
    archive = SymbolicArchive()
    told = [item for generation in run_search(search, [archive], 2) for item in generation]
    again = SymbolicArchive()
    again.on_search_start(search)
    for item in told:
        loss = search.family.build(item.candidate)
        expected = Status.CACHED if item.trained else item.status
        assert again.screen(item.candidate, loss).status is expected
        assert again.screen(item.candidate, loss) == archive.screen(item.candidate, loss)
    theta = told[0].candidate.theta
    near = Candidate(None, (math.nextafter(theta[0], 2.0), *theta[1:]))
    assert archive.screen(near, search.family.build(near)) is None


def _evolve(search, archive, generations):
    """A search whose fitness is the expression's length, with weights that are refined."""
    archive.on_search_start(search)
    for _ in range(generations):
        found = []
        for candidate in search.searcher.ask():
            verdict = archive.screen(candidate, search.family.build(candidate))
            if verdict is None:
                theta = tuple(weight + 0.125 for weight in candidate.theta)
                refined = Candidate(candidate.structure, theta)
                verdict = Evaluation.scored(refined, -float(len(theta)))
            found.append(verdict)
        search.searcher.tell(found)
        archive.on_generation_end(search, search.searcher.generation - 1, found)


def _genetic(directory):
    searcher = GeneticProgrammingSearcher(population=12)
    searcher.start(FAMILY.space, 3)
    return _search(directory, searcher)


def test_a_resumed_search_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole, part, resumed = (_genetic(tmp_path) for _ in range(3))
    archive = SymbolicArchive()
    _evolve(whole, archive, 5)
    _evolve(part, SymbolicArchive(), 2)
    restore_searcher(resumed.searcher, stored_searcher(part.searcher))
    _evolve(resumed, SymbolicArchive(), 3)
    assert resumed.searcher.history == whole.searcher.history
    assert archive.counts["cached"] > 5
