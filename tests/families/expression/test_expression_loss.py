import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strangers import BlobsData
from torch import nn
from torch.func import functional_call

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.families import ExpressionFamily, ExpressionLoss
from lightning_lossmeta.losses import Identity, MeanSquaredError, RegressionAbsoluteError
from lightning_lossmeta.modules import StackedLosses, SupervisedModule
from lightning_lossmeta.task import Session, Task

NUMPY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "aq": lambda a, b: a / np.sqrt(1 + np.square(b)),
    "min": np.minimum,
    "max": np.maximum,
    "sign": np.sign,
    "square": np.square,
    "abs": np.abs,
    "log": lambda a: np.log(np.abs(a) + 1e-7),
    "sqrt": lambda a: np.sqrt(np.abs(a) + 1e-7),
    "tanh": np.tanh,
}
UNARY = ("sign", "square", "abs", "log", "sqrt", "tanh")
BINARY = ("add", "sub", "mul", "aq", "min", "max")


def _branches(inner):
    unary = st.tuples(st.sampled_from(UNARY), inner)
    return unary | st.tuples(st.sampled_from(BINARY), inner, inner)


#: Trees as nested tuples, mostly of up to ten leaves.
TREES = st.recursive(st.sampled_from(["f", "y", "+1", "-1"]), _branches, max_leaves=10)


def _text(tree):
    return tree if isinstance(tree, str) else f"{tree[0]}({', '.join(map(_text, tree[1:]))})"


def _height(tree):
    return 0 if isinstance(tree, str) else 1 + max(map(_height, tree[1:]))


def _edges(tree):
    return 0 if isinstance(tree, str) else sum(1 + _edges(child) for child in tree[1:])


def _leaves(tree):
    return {tree} if isinstance(tree, str) else set().union(*map(_leaves, tree[1:]))


def _value(tree, weights, f, y):
    """Straight from the definition: every argument times the next weight, in prefix order."""
    if isinstance(tree, str):
        return {"f": f, "y": y, "+1": 1.0, "-1": -1.0}[tree]
    arguments = [next(weights) * _value(child, weights, f, y) for child in tree[1:]]
    return NUMPY[tree[0]](*arguments)


def _batch(classes=5, size=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(size, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (size,), generator=generator)


@given(tree=TREES, data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_is_the_tree_with_a_weight_on_every_edge(tree, data):
    for missing in {"f", "y"} - _leaves(tree):
        tree = (data.draw(st.sampled_from(BINARY)), tree, missing)
    assume(_height(tree) <= 17)
    count = _edges(tree)
    theta = data.draw(st.lists(st.floats(-2, 2), min_size=count, max_size=count))
    generator = np.random.default_rng(0)
    f, y = generator.normal(0, 1, (2, 6, 3))
    values = _value(tree, iter(theta), f, y)
    for nonnegative, expected in [(False, values), (True, np.logaddexp(0, values))]:
        loss = ExpressionLoss(_text(tree), theta, nonnegative, link=Identity())
        found = loss.per_sample(torch.from_numpy(f), torch.from_numpy(y)).numpy()
        np.testing.assert_allclose(found, expected.mean(1), rtol=1e-6, atol=1e-9)


def test_weights_of_one_are_the_expression_itself():
    logits, target = _batch()
    loss = ExpressionLoss("square(sub(f, y))", [1, 1, 1])
    expected = MeanSquaredError().per_sample(logits, target)
    torch.testing.assert_close(loss.per_sample(logits, target), expected)
    output, wanted = torch.randn(5, 2), torch.randn(5, 2)
    loss = ExpressionLoss("abs(sub(f, y))", [1, 1, 1], link=Identity())
    torch.testing.assert_close(loss(output, wanted), RegressionAbsoluteError()(output, wanted))


def test_classification_is_a_mean_over_classes_of_probabilities_and_labels():
    logits, target = _batch(classes=4)
    h, y = logits.softmax(1).numpy(), np.eye(4)[target]
    theta = [0.7, -1.2, 0.4, 1.5]
    expected = (0.7 * np.tanh(-1.2 * h) + 0.4 * np.abs(1.5 * y)).mean(1)
    loss = ExpressionLoss("add(tanh(f), abs(y))", theta)
    np.testing.assert_allclose(loss.per_sample(logits, target).numpy(), expected, rtol=1e-12)


def test_every_weight_moves_the_gradient_of_the_prediction():
    structure = "add(mul(f, y), aq(log(f), sqrt(sub(f, tanh(y)))))"
    generator = torch.Generator().manual_seed(0)
    logits, target = _batch()
    theta = 1 + 0.1 * torch.randn(11, generator=generator)

    def slope(weights):
        z = logits.clone().requires_grad_()
        loss = ExpressionLoss(structure, weights.tolist())(z, target)
        return torch.autograd.grad(loss, z)[0]

    base = slope(theta)
    for index in range(11):
        changed = theta + 0.1 * torch.eye(11)[index]
        assert (slope(changed) - base).abs().max() > 1e-6, index


def test_gradient_of_the_weights_through_an_unrolled_step():
    """What the local search needs, against finite differences."""
    loss = ExpressionLoss("aq(square(sub(f, y)), sqrt(f))", [1.0, 0.9, 1.1, 1.0, 0.8, 1.2])
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    target = torch.arange(8) % 3
    network = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)

    def task_loss(theta):
        inner = functional_call(loss, {"theta": theta}, (inputs @ network.T, target))
        (step,) = torch.autograd.grad(inner, network, create_graph=True)
        return nn.functional.cross_entropy(inputs @ (network - 2.0 * step).T, target)

    theta = loss.theta.clone().requires_grad_()
    (found,) = torch.autograd.grad(task_loss(theta), theta)
    expected = torch.zeros(6, dtype=torch.float64)
    for index in range(6):
        shift = 1e-5 * torch.eye(6, dtype=torch.float64)[index]
        expected[index] = (task_loss(theta + shift) - task_loss(theta - shift)).item() / 2e-5
    assert expected.abs().min() > 1e-6
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_equal_structures_run_stacked():
    structure = "min(add(f, +1), max(sign(log(f)), mul(y, -1)))"
    losses = [ExpressionLoss(structure, [0.1 * i + j for j in range(10)]) for i in range(3)]
    logits, target = _batch()
    found = StackedLosses(losses, [structure] * 3)(torch.stack([logits] * 3), target)
    torch.testing.assert_close(found, torch.stack([loss(logits, target) for loss in losses]))


@pytest.mark.parametrize(("height", "finite"), [(2, True), (15, False)])
def test_overflow_by_nesting_is_a_value_not_an_error(height, finite):
    structure = "square(" * height + "sub(f, y)" + ")" * height
    output = torch.full((2, 1), 30.0, requires_grad=True)
    loss = ExpressionLoss(structure, [1.0] * (height + 2), link=Identity())
    value = loss(output, torch.zeros(2, 1))
    value.backward()
    assert bool(value.isfinite()) is finite


@pytest.mark.parametrize("operator", ["min", "max", "abs", "sign", "sqrt", "log"])
def test_gradients_at_ties_and_zeros_are_finite(operator):
    inner = "sub(f, y)"
    structure = f"{operator}({inner})" if operator not in ("min", "max") else f"{operator}(f, y)"
    count = structure.count("(") + structure.count(",")
    output = torch.tensor([[0.0, 0.5, 1.0]], requires_grad=True)
    loss = ExpressionLoss(structure, [1.0] * count, link=Identity())
    loss(output, output.detach().clone()).backward()
    assert output.grad.isfinite().all()


def test_what_is_printed_and_kept():
    loss = ExpressionLoss("square( sub(f,y) )", [1, 2, 3], nonnegative=True)
    assert repr(loss) == "ExpressionLoss('square(sub(f, y))', nonnegative=True)"
    assert loss.structure == "square(sub(f, y))"
    assert loss.theta.tolist() == [1, 2, 3]
    assert loss.half().theta.dtype == torch.float64
    assert loss.state_dict() == {}


@pytest.mark.parametrize("kind", [ExpressionLoss])
@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ([1.0, 1.0], "`theta` to have 3 weights, one an edge of an expression of 4 nodes, got 2"),
        ([1.0] * 4, "3 weights, .*got 4"),
        ([], "3 weights, .*got 0"),
        ([1.0, math.nan, 1.0], r"`theta` to be finite, got \[1.0, nan, 1.0\]"),
        ([1.0, -math.inf, 1.0], "`theta` to be finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(kind, theta, message):
    with pytest.raises(ValueError, match=message):
        kind("square(sub(f, y))", theta)


def test_a_diverging_loss_is_an_outcome():
    """Squares of squares in a whole inner fit: the evaluator says diverged, and nothing raises."""
    session = Session(steps=4, accelerator="cpu")
    task = Task(SupervisedModule(nn.Linear(6, 3)), BlobsData(), session)
    wild = "mul(" + "square(" * 9 + "add(f, +1)" + ")" * 9 + ", y)"
    family = ExpressionFamily(max_height=12)
    candidates = [
        Candidate("square(sub(f, y))", (1.0, 1.0, 1.0)),
        Candidate(wild, (9.0,) * 13),
        Candidate("square(sub(f, y))", (2.0, 1.0, 1.0)),
    ]
    found = PopulationEvaluator().evaluate(candidates, family, [task])
    assert [item.status for item in found] == [Status.OK, Status.DIVERGED, Status.OK]
