import copy
import json
import math
import pickle
from pathlib import Path

import pytest
import torch
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)
from torch import nn

from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily, TaylorLoss
from lightning_lossmeta.losses import Identity, Softmax
from lightning_lossmeta.modules import StackedLosses

STYLES = [(3, "taylorglo"), (4, "robust"), (2, "robust"), (5, "taylorglo")]
CHECKPOINTS = sorted((Path(__file__).parents[2] / "checkpoints").glob("taylorglo*.json"))


def _numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _candidate(family, seed=1):
    theta = _numbers(family.space.dimension, seed=seed)
    return Candidate(None, tuple(round(value, 3) for value in theta.tolist()))


def _gradient(function, output):
    output = output.clone().requires_grad_()
    return torch.autograd.grad(function(output), output)[0]


@pytest.mark.parametrize(("order", "convention"), STYLES)
def test_equals_the_written_out_sum(order, convention):
    family = TaylorFamily(order, convention, problem="regression")
    candidate = _candidate(family)
    theta = candidate.theta
    f, y = 2 * _numbers(7, 2), 2 * _numbers(7, 2, seed=1)
    own = convention == "taylorglo"  # the label's centre comes first, and a minus in front
    d, e = (f - theta[1], y - theta[0]) if own else (f - theta[0], y - theta[1])
    total = torch.zeros_like(f)
    for value, (i, j) in zip(theta[2:], family.terms, strict=True):
        factor = -1 if own else 1 / (math.factorial(i) * math.factorial(j))
        total += factor * value * d**i * e**j
    loss = family.build(candidate)
    torch.testing.assert_close(loss.per_sample(f, y), total.mean(1), rtol=1e-9, atol=1e-9)
    flat = loss.per_sample(f[:, 0], y[:, 0])
    torch.testing.assert_close(flat, total[:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("order", "convention"), STYLES)
def test_squared_error_is_in_it_up_to_a_constant(order, convention):
    family = TaylorFamily(order, convention, "mse", "regression")
    f, y = 5 * _numbers(6, 3), 5 * _numbers(6, 3, seed=1)
    (name,), (made,) = zip(*family.baselines().items(), strict=True)
    assert name == "squared error"
    assert made == Candidate(None, family.space.start)
    loss = family.build(made)
    torch.testing.assert_close(loss(f, y) + y.square().mean(), nn.functional.mse_loss(f, y))
    found = _gradient(lambda z: loss(z, y), f)
    expected = _gradient(lambda z: nn.functional.mse_loss(z, y), f)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("convention", ["taylorglo", "robust"])
def test_hand_made_losses_of_classification(order, convention):
    family = TaylorFamily(order, convention)
    logits, target = 2 * _numbers(7, 5), torch.arange(7) % 5
    onehot = nn.functional.one_hot(target, 5).double()
    references = {"mse": nn.functional.mse_loss, "mae": nn.functional.l1_loss}
    made = family.baselines()
    assert list(made) == list(references)
    for name, reference in references.items():
        loss = family.build(made[name])
        found = _gradient(lambda z, loss=loss: loss(z, target), logits)
        expected = _gradient(lambda z, ref=reference: ref(z.softmax(1), onehot), logits)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_lines_hold_no_hand_made_loss(task):
    assert TaylorFamily(1, start="zero", problem=task).baselines() == {}


@pytest.mark.parametrize(("order", "convention"), STYLES)
def test_formula_is_what_is_computed(order, convention):
    family = TaylorFamily(order, convention, problem="regression")
    candidate = _candidate(family)
    text = family.formula(candidate).removeprefix("mean[").removesuffix("]")
    polynomial = parse_expr(
        text, transformations=(*standard_transformations, implicit_multiplication, convert_xor)
    )
    for f, y in [(0.3, 1.0), (-1.7, 2.5)]:
        value = float(polynomial.subs({"f": f, "y": y}))
        pair = (torch.tensor([number], dtype=torch.float64) for number in (f, y))
        assert family.build(candidate)(*pair).item() == pytest.approx(value, rel=2e-3)
    assert family.formula(Candidate(None, (0.0,) * family.space.dimension)) == "mean[ 0 ]"
    assert {symbol.name for symbol in family.expression(candidate).free_symbols} == {"f", "y"}


def test_every_coefficient_moves_the_gradient():
    family = TaylorFamily(problem="regression")
    f, y = _numbers(6, 1), _numbers(6, 1, seed=1)

    def slope(theta):
        return _gradient(lambda z: family.build(Candidate(None, tuple(theta)))(z, y), f)

    theta = _candidate(family).theta
    for index in range(len(theta)):
        changed = [value + 0.1 * (i == index) for i, value in enumerate(theta)]
        assert (slope(changed) - slope(theta)).abs().max() > 1e-4, index


def test_different_losses_stack():
    family = TaylorFamily(problem="regression")
    losses = [family.build(_candidate(family, seed)) for seed in range(3)]
    output, target = _numbers(3, 6, 1), _numbers(6, 1, seed=1)
    found = StackedLosses(losses, ["same"] * 3)(output, target)
    expected = torch.stack([loss(z, target) for loss, z in zip(losses, output, strict=True)])
    torch.testing.assert_close(found, expected)


def test_artefact_and_pickle_keep_every_bit():
    family = TaylorFamily(start="mse", problem="regression")
    candidate = Candidate(None, (0.1, 1 / 3, 1e-17, math.pi, 1e5 + 1e-9, -2.0, 0.7, 0.9))
    read = Artifact.from_json(Artifact(family, candidate).to_json())
    assert (read.family, read.candidate) == (family, candidate)
    assert read.build().link == Identity()
    assert family.read(pickle.loads(pickle.dumps(read.build())).half()) == candidate


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_artefacts_from_before_the_task_was_a_setting(path):
    content = json.loads(path.read_text())
    content["family"]["settings"].pop("problem", None)
    artifact = Artifact.from_json(json.dumps(content))
    assert artifact.family.problem == "classification"
    assert artifact.build().link == Softmax()
    assert artifact.formula() == content["formula"]
    again = copy.deepcopy(content)
    again["family"]["settings"]["tasks"] = "classification"
    with pytest.raises(ArtifactError, match=r"got also \['tasks'\]"):
        Artifact.from_json(json.dumps(again))


def test_there_are_old_artefacts():
    assert CHECKPOINTS


def test_families_of_the_two_tasks_differ():
    one, other = TaylorFamily(), TaylorFamily(problem="regression")
    assert one != other
    with pytest.raises(ValueError, match="for problem='regression', got TaylorLoss"):
        other.read(one.build(Candidate(None, one.space.start)))
    with pytest.raises(ValueError, match=r"'classification', got TaylorLoss for .*'regression'"):
        one.read(other.build(Candidate(None, other.space.start)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"problem": "ranking"},
            r"`problem` to be one of \['classification', 'binary', 'regression'\], got",
        ),
        ({"problem": None}, "`problem`"),
        ({"problem": ["regression"]}, "`problem`"),
        (
            {"problem": "regression", "start": "mae"},
            r"`start` .* \['mse', 'zero'\] .*'mae'",
        ),
        ({"problem": "regression", "start": "mse", "order": 1}, "`order` to be at least 2"),
    ],
)
def test_family_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaylorFamily(**arguments)


def test_extreme_outputs_stay_finite():
    loss = TaylorLoss([0.5] * 8, link=Identity())
    output, target = torch.tensor([[1e6], [-1e6]]), torch.tensor([[-1e6], [1e6]])
    assert loss(output, target).isfinite()
    assert _gradient(lambda z: loss(z, target), output).isfinite().all()
    with pytest.raises(ValueError, match="one shape"):
        loss(torch.zeros(2, 1), torch.zeros(2))
