import json
import math
import random
from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import make_search, run_search

from lightning_lossmeta.callbacks.filters.archive import SymbolicArchive, canonical_form, ordered
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import ExpressionFamily, ExpressionLoss
from lightning_lossmeta.families.expression.grammar import ARITIES, ExpressionSpace
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.losses import Identity
from lightning_lossmeta.searchers import GeneticProgrammingSearcher
from lightning_lossmeta.searchers.genetic_operators import OwnRandomness, random_tree

FAMILY = ExpressionFamily()
# Eighths, with which sums and products are exact: sign() sees no rounding.
POINTS = torch.randint(-24, 25, (2, 200), generator=torch.Generator().manual_seed(0)).double() / 8
EQUAL = [
    ("square(sub(f, y))", "square(sub(y, f))"),
    ("square(sub(f, y))", "mul(sub(f, y), sub(f, y))"),
    ("square(sub(f, y))", "add(square(f), sub(square(y), mul(add(f, f), y)))"),
    ("sub(f, y)", "add(mul(-1, y), f)"),
    ("mul(f, y)", "mul(mul(y, +1), f)"),
    ("add(f, add(y, +1))", "add(add(+1, f), y)"),
    ("abs(sub(f, y))", "abs(abs(sub(y, f)))"),
    ("log(sub(f, y))", "log(abs(sub(y, f)))"),
    ("sqrt(sub(f, y))", "sqrt(sub(y, f))"),
    ("tanh(sub(f, y))", "mul(-1, tanh(sub(y, f)))"),
    ("sign(sub(f, y))", "sub(mul(f, sub(y, y)), sign(add(y, sub(y, add(f, f)))))"),
    ("max(f, y)", "mul(-1, min(mul(y, -1), mul(-1, f)))"),
    ("min(f, y)", "min(y, add(f, sub(+1, +1)))"),
    ("max(add(f, y), add(+1, add(f, y)))", "add(add(y, f), +1)"),
    ("aq(f, y)", "mul(f, aq(+1, mul(-1, y)))"),
    ("add(f, mul(y, sub(+1, +1)))", "add(f, sub(y, y))"),
]
UNEQUAL = [
    ("sub(f, y)", "sub(y, f)"),
    ("aq(f, y)", "aq(y, f)"),
    ("min(f, y)", "max(f, y)"),
    ("abs(mul(f, y))", "mul(f, y)"),
    ("abs(mul(f, abs(y)))", "mul(f, abs(y))"),
    ("tanh(add(f, y))", "tanh(add(f, add(f, add(y, y))))"),
    ("log(sub(f, y))", "sqrt(sub(f, y))"),
    ("square(sub(f, y))", "sub(square(f), square(y))"),
]


def _form(text, theta=None):
    names = [node.name for node in parse_expression(text)]
    return canonical_form(names, theta or [1.0] * (len(names) - 1))


def _values(text, theta=None):
    theta = theta or [1.0] * (len(parse_expression(text)) - 1)
    return ExpressionLoss(text, theta, link=Identity()).values(*POINTS)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_expressions_have_one_form(one, other):
    assert _form(one) == _form(other)
    torch.testing.assert_close(_values(one), _values(other))


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal_expressions_have_two(one, other):
    assert _form(one) != _form(other)
    assert not torch.allclose(_values(one), _values(other))


def test_weights_count():
    assert _form("sub(f, y)", [2.0, 3.0]) == _form("add(y, f)", [-3.0, 2.0])
    assert _form("sub(f, y)", [2.0, 3.0]) != _form("sub(f, y)", [2.0, math.nextafter(3.0, 4.0)])
    assert _form("square(sub(f, y))", [-2.0, 1.0, 1.0]) == _form("square(sub(f, y))", [1, 2, 2])
    assert _form("add(f, tanh(y))", [1.0, 0.0, 5.0]) == _form("add(f, log(y))", [1.0, 0.0, 7.0])


def test_random_trees_with_one_form_are_equal_everywhere():
    groups = defaultdict(set)
    with OwnRandomness(0).drawn():
        for _ in range(500):
            tree = str(random_tree(ExpressionSpace(), 1, 3))
            groups[_form(tree)].add(tree)
    pairs = [sorted(group) for group in groups.values() if len(group) > 1]
    assert sum(len(group) for group in pairs) > 20
    for first, *others in pairs:
        expected = _values(first)
        for other in others:
            torch.testing.assert_close(_values(other), expected, msg=f"{first} != {other}")


TREES = st.recursive(
    st.sampled_from([("f",), ("y",), ("+1",), ("-1",)]),
    lambda below: st.sampled_from([name for name in ARITIES if ARITIES[name]]).flatmap(
        lambda name: st.tuples(st.just(name), *[below] * ARITIES[name])
    ),
    max_leaves=8,
)


def _text(tree):
    return tree[0] + (f"({', '.join(map(_text, tree[1:]))})" if tree[1:] else "")


def _rewritten(tree, draw):
    """The same function, written otherwise."""
    name, *below = [tree[0], *(_rewritten(part, draw) for part in tree[1:])]
    if name in ("add", "mul", "min", "max") and draw.random() < 0.5:
        below.reverse()
    if name == "sub" and draw.random() < 0.5:
        return ("add", ("mul", ("-1",), below[1]), below[0])
    if name in ("square", "abs", "log", "sqrt") and draw.random() < 0.5:
        below = [("mul", below[0], ("-1",))]
    return (name, *below)


@settings(max_examples=40, deadline=None)
@given(TREES, st.integers(0, 1000))
def test_a_rewritten_tree_keeps_its_form(tree, seed):
    tree = ("add", tree, ("mul", ("f",), ("y",)))
    other = _rewritten(tree, random.Random(seed))
    assert _form(_text(tree)) == _form(_text(other))
    torch.testing.assert_close(_values(_text(tree)), _values(_text(other)), rtol=1e-6, atol=1e-6)


def test_large_trees_take_no_time():
    tower = "add(f, tanh(y))"
    for _ in range(12):
        tower = f"square({tower})"
    wide = "log(add(f, y))"
    for _ in range(6):
        wide = f"mul({wide}, add({wide}, f))"
    swapped = wide.replace("add(f, y)", "add(y, f)")
    for text in (tower, tower.replace("f", "abs(f)"), "add(mul(f, y), " + tower + ")"):
        weights = [1e-300, *[math.pi] * (len(parse_expression(text)) - 2)]
        assert _form(text, weights) == _form(text, weights) != _form(text, weights[::-1])
    weights = [math.pi] * (len(parse_expression(wide)) - 1)
    assert _form(wide, weights) == _form(swapped, weights)


def test_ordered_moves_edges_along():
    assert ordered(["mul", "sub", "y", "f", "add", "y", "+1"]) == (
        ("mul", "add", "+1", "y", "sub", "y", "f"),
        (3, 5, 4, 0, 1, 2),
    )


def _told(candidate, fitness=0.75, status=Status.OK):
    return Evaluation(candidate, fitness, status)


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
                verdict = Evaluation(refined, -float(len(theta)))
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
    resumed.searcher.load_state_dict(json.loads(json.dumps(part.searcher.state_dict())))
    _evolve(resumed, SymbolicArchive(), 3)
    assert resumed.searcher.history == whole.searcher.history
    assert archive.counts["cached"] > 5
