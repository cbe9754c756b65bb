import contextlib
import random

import pytest
from deap import gp

from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.searchers.genetic_operators import crossover, mutate

SPACES = [
    ExpressionSpace(10, 200),
    ExpressionSpace(4, 31),
    ExpressionSpace(2, 5),
    ExpressionSpace(1, 3),
]


@pytest.fixture(autouse=True)
def _seeded():
    with IsolatedRandom(0).active():
        yield


def _one_sided(text):
    """A tree that lacks f or y, as crossover leaves them."""
    whole = parse_expression(f"sub(f, sub(y, {text}))")
    return gp.PrimitiveTree(whole[4:])


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_all_trees_belong_to_the_space(space):
    trees = [space.random_tree(2, 4) for _ in range(60)]
    for _ in range(400):
        first, second = random.sample(trees, 2)
        before = str(first), str(second)
        children = [crossover(first, second, space), mutate(first, space)]
        assert (str(first), str(second)) == before
        trees += [child for child in children if child is not None]
    for tree in trees:
        assert space.holds(tree)
        assert str(parse_expression(str(tree), space)) == str(tree)
    if space.max_height > 2:
        assert max(tree.height for tree in trees) == space.max_height or space.max_nodes < 50


def test_first_trees_are_ramped():
    trees = [SPACES[0].random_tree(2, 4) for _ in range(300)]
    heights = [tree.height for tree in trees]
    assert {2, 3, 4} <= set(heights) <= {2, 3, 4, 5}  # a correction adds a level
    terminals = [sum(node.arity == 0 for node in tree) for tree in trees]
    assert min(terminals) <= 2
    assert max(terminals) >= 10


def test_correction_replaces_one_terminal_by_a_binary_operator_on_both():
    seen = set()
    for _ in range(300):
        tree = ExpressionSpace(10, 200).correct(_one_sided("add(tanh(f), -1)"))
        text = str(tree)
        seen.add(text)
        assert len(tree) == 6
        assert tree.height in (2, 3)
        inner = [f"{name}({pair})" for name in BINARY for pair in ("f, y", "y, f")]
        assert text in {f"add(tanh({new}), -1)" for new in inner} | {
            f"add(tanh(f), {new})" for new in inner
        }
    assert len(seen) == 24


BINARY = ["add", "sub", "mul", "aq", "min", "max"]


def test_correction_keeps_the_limits():
    deep = "tanh(square(f))"
    assert ExpressionSpace(2, 10).correct(_one_sided(deep)) is None
    assert ExpressionSpace(3, 4).correct(_one_sided(deep)) is None
    assert ExpressionSpace(3, 5).correct(_one_sided(deep)).height == 3
    shallow = {
        str(ExpressionSpace(2, 9).correct(_one_sided("add(tanh(f), -1)"))) for _ in range(50)
    }
    assert all(text.startswith("add(tanh(f), ") for text in shallow)


def test_what_holds_both_is_not_corrected():
    tree = parse_expression("sub(f, tanh(y))")
    assert ExpressionSpace().correct(tree) is tree
    assert str(tree) == "sub(f, tanh(y))"
    assert ExpressionSpace(1, 9).correct(tree) is None


def test_randomness_of_its_own():
    random.seed(3)
    expected = [random.random() for _ in range(4)]
    random.seed(3)
    own = IsolatedRandom(7)
    drawn, outside = [], []
    for _ in range(4):
        outside.append(random.random())
        with own.active():
            drawn.append(random.random())
    assert outside == expected
    alone = random.Random(7)
    assert drawn == [alone.random() for _ in range(4)]


def test_randomness_comes_back_after_an_error():
    before = random.getstate()
    with contextlib.suppress(KeyError), IsolatedRandom(1).active():
        random.random()
        raise KeyError
    assert random.getstate() == before
