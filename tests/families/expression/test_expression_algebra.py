import math
import random
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.families import ExpressionLoss
from lightning_lossmeta.families.expression.algebra import canonical_form, ordered
from lightning_lossmeta.families.expression.grammar import ARITIES
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace

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
    return ExpressionLoss(text, theta).values(*POINTS)


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
    with IsolatedRandom(0).active():
        for _ in range(500):
            tree = str(ExpressionSpace().random_tree(1, 3))
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


def test_one_weight_an_edge():
    for theta in ((), (1.0,), (1.0, 1.0, 1.0)):
        with pytest.raises(ValueError, match="`theta` to have 2 weights, one an edge"):
            canonical_form(["sub", "f", "y"], theta)
