import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.families.expression.grammar import (
    ARITIES,
    OPERATORS,
    PRIMITIVES,
    fold,
)
from lightning_lossmeta.families.expression.space import ExpressionSpace

#: Table 1 of the paper in NumPy, with log and sqrt of |x| + 1e-7.
ORACLES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "aq": lambda a, b: a / np.sqrt(1 + b**2),
    "min": np.minimum,
    "max": np.maximum,
    "sign": np.sign,
    "square": np.square,
    "abs": np.abs,
    "log": lambda a: np.log(np.abs(a) + 1e-7),
    "sqrt": lambda a: np.sqrt(np.abs(a) + 1e-7),
    "tanh": np.tanh,
}
#: Where operators would overflow a float32: that is no matter of closure.
BOUNDS = {"add": 1e38, "sub": 1e38, "mul": 1e18, "square": 1e18}
KINKS = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 1e-7, -1e-7, 1.0, -1.0, 1e18, -1e18]


@pytest.mark.parametrize("name", ORACLES)
def test_operators_are_those_of_the_table(name):
    generator = np.random.default_rng(0)
    points = [*generator.normal(0, 3, (ARITIES[name], 500)), *[np.zeros(4)] * ARITIES[name]]
    for chosen in (points[: ARITIES[name]], points[ARITIES[name] :]):
        found = OPERATORS[name].function(*map(torch.from_numpy, chosen))
        np.testing.assert_allclose(found.numpy(), ORACLES[name](*chosen), rtol=1e-13)


def test_nothing_else_can_be_written():
    assert set(OPERATORS) == set(ORACLES)
    assert set(ARITIES) == {*ORACLES, "f", "y", "+1", "-1"} == set(PRIMITIVES.mapping)
    assert all(node.arity == ARITIES[node.name] for node in PRIMITIVES.mapping.values())


@pytest.mark.parametrize("name", ORACLES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_values_and_gradients_of_finite_numbers_are_finite(name, data):
    bound = float(np.float32(BOUNDS.get(name, 3e38)))
    number = st.one_of(st.sampled_from(KINKS), st.floats(-bound, bound, width=32))
    numbers = data.draw(st.lists(number, min_size=ARITIES[name], max_size=ARITIES[name]))
    inputs = [torch.tensor(number, dtype=torch.float32, requires_grad=True) for number in numbers]
    value = OPERATORS[name].function(*inputs)
    gradients = torch.autograd.grad(value, inputs)
    assert value.isfinite()
    assert all(gradient.isfinite() for gradient in gradients)


@pytest.mark.parametrize("name", ORACLES)
def test_every_pair_of_kinks_is_finite(name):
    bound = BOUNDS.get(name, math.inf)
    kinks = torch.tensor([k for k in KINKS if abs(k) <= bound])
    grids = torch.meshgrid(*[kinks] * ARITIES[name], indexing="ij")
    inputs = [grid.clone().requires_grad_() for grid in grids]
    value = OPERATORS[name].function(*inputs)
    gradients = torch.autograd.grad(value.sum(), inputs)
    assert value.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", ORACLES)
def test_nan_passes_every_operator(name):
    numbers = [torch.tensor([math.nan, 1.0])] + [torch.ones(2)] * (ARITIES[name] - 1)
    assert OPERATORS[name].function(*numbers).isnan().tolist() == [True, False]


def test_fold_numbers_edges_by_the_nodes_below_them():
    names = ["add", "square", "f", "mul", "y", "tanh", "+1"]
    found = fold(names, lambda name, a: [name, *a], lambda edge, below: (edge, below))
    inner = ["mul", (3, ["y"]), (4, ["tanh", (5, ["+1"])])]
    assert found == ["add", (0, ["square", (1, ["f"])]), (2, inner)]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((0, 10), "`max_height` to be an integer from 1 to 17, got 0"),
        ((18, 10), "`max_height`"),
        ((True, 10), "`max_height`"),
        ((4.0, 10), "`max_height`"),
        ((4, 2), "`max_nodes` to be an integer from 3 to 1000, got 2"),
        ((4, 10**9), "`max_nodes`"),
        ((4, "10"), "`max_nodes`"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        ExpressionSpace(*limits)
