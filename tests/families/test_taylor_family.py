import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)
from torch import nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily, TaylorLoss
from lightning_lossmeta.losses import CrossEntropy

STYLES = [(3, "taylorglo"), (4, "robust")]


def _batch(classes=5, size=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(size, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (size,), generator=generator)


def _gradient(function, logits):
    logits = logits.clone().requires_grad_()
    return torch.autograd.grad(function(logits), logits)[0]


def _written_out(convention, theta, h, y):
    """The sums as the papers print them."""
    if convention == "taylorglo":
        d, e = h - theta[1], y - theta[0]
        terms = [d, d**2, d**3, d * e, d**2 * e, d * e**2]
        return -sum(t * v for t, v in zip(theta[2:], terms, strict=True)).mean(1)
    d, e = h - theta[0], y - theta[1]
    terms = [d, d**2 / 2, d**3 / 6, d**4 / 24, d * e, d * e**2 / 2]
    terms += [d**2 * e / 2, d**3 * e / 6, d * e**3 / 6, d**2 * e**2 / 4]
    return sum(t * v for t, v in zip(theta[2:], terms, strict=True)).mean(1)


@pytest.mark.parametrize(("order", "convention"), STYLES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_equals_the_written_out_sum(order, convention, data):
    count = len(TaylorFamily(order, convention).space.names)
    number = st.floats(-5, 5, allow_nan=False)
    theta = data.draw(st.lists(number, min_size=count, max_size=count))
    logits, target = _batch(seed=data.draw(st.integers(0, 99)))
    loss = TaylorLoss(theta, order, convention)
    onehot = nn.functional.one_hot(target, 5).double()
    expected = _written_out(convention, theta, logits.softmax(1), onehot)
    torch.testing.assert_close(loss.per_sample(logits, target), expected, rtol=1e-9, atol=1e-9)


def test_counts_of_parameters():
    assert TaylorFamily(3, "taylorglo").space.dimension == 8
    assert TaylorFamily(4, "robust").space.dimension == 12


@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("convention", ["taylorglo", "robust"])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_starts_have_the_gradient_of_mse_and_mae(order, convention, classes):
    logits, target = _batch(classes)
    onehot = nn.functional.one_hot(target, classes).double()
    references = {
        "mse": lambda z: nn.functional.mse_loss(z.softmax(1), onehot),
        "mae": lambda z: nn.functional.l1_loss(z.softmax(1), onehot),
    }
    for start, reference in references.items():
        family = TaylorFamily(order, convention, start)
        loss = family.build(Candidate(None, family.space.start))
        found = _gradient(lambda z, loss=loss: loss(z, target), logits)
        expected = _gradient(reference, logits)
        factor = (found * expected).sum() / expected.square().sum()
        assert factor > 0
        torch.testing.assert_close(found, factor * expected, rtol=1e-9, atol=1e-15)


def test_zero_start_is_the_zero_loss():
    family = TaylorFamily(start="zero")
    logits, target = _batch()
    assert family.build(Candidate(None, family.space.start))(logits, target) == 0


@pytest.mark.parametrize(("order", "convention"), [*STYLES, (2, "robust"), (6, "taylorglo")])
def test_every_coefficient_moves_the_gradient_of_the_prediction(order, convention):
    generator = torch.Generator().manual_seed(3)
    count = TaylorFamily(order, convention).space.dimension
    theta = torch.randn(count, generator=generator).tolist()
    logits, target = _batch()
    h = logits.softmax(1)

    def slope(values):
        loss = TaylorLoss(values, order, convention)
        return _gradient(lambda p: loss.from_probabilities(p, target).sum(), h)

    base = slope(theta)
    for index in range(count):
        changed = [v + 0.1 * (i == index) for i, v in enumerate(theta)]
        assert (slope(changed) - base).abs().max() > 1e-4, index


def test_the_linear_term_alone_can_not_move_logits():
    """Its sum over the classes is a constant on the simplex; every other term moves them."""
    logits, target = _batch()
    for index in range(2, 8):
        theta = [0.3, -0.2, *[float(i == index) for i in range(2, 8)]]
        loss = TaylorLoss(theta)
        size = _gradient(lambda z, loss=loss: loss(z, target), logits).abs().max()
        assert size < 1e-16 if index == 2 else size > 1e-4, index


def test_published_loss_by_its_learning_rule():
    theta = [0, 0, -373.917, -65.132, -3.7396, 0.336, -0.603, 1.110265]
    h = torch.full((1, 10), 0.1, dtype=torch.float64)
    slope = _gradient(lambda p: TaylorLoss(theta).from_probabilities(p, torch.tensor([0])).sum(), h)
    gamma = -10 * slope[0]
    assert gamma[1].item() == pytest.approx(-387.0556, abs=1e-4)
    assert gamma[0].item() == pytest.approx(-385.7299, abs=1e-4)


@pytest.mark.parametrize(("order", "convention"), STYLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(order, convention, dtype):
    loss = TaylorLoss([0.5] * TaylorFamily(order, convention).space.dimension, order, convention)
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=dtype)
    target = torch.tensor([1, 1])
    assert loss(logits, target).isfinite()
    assert _gradient(lambda z: loss(z, target), logits).isfinite().all()


def test_nan_logits_are_seen():
    logits = torch.tensor([[math.nan, 0.0], [1.0, 0.0]])
    found = TaylorLoss([0.1] * 8).per_sample(logits, torch.tensor([0, 0]))
    assert found.isnan().tolist() == [True, False]


def test_empty_batch_gives_no_values():
    assert TaylorLoss([0.1] * 8).per_sample(torch.zeros(0, 3), torch.zeros(0).long()).shape == (0,)


def test_pixelwise_and_soft_targets_agree_with_flat_class_indices():
    loss = TaylorLoss([0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8])
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    target = torch.randint(3, (2, 4, 5), generator=generator)
    flat = loss.per_sample(logits.permute(0, 2, 3, 1).reshape(-1, 3), target.flatten())
    torch.testing.assert_close(loss.per_sample(logits, target).flatten(), flat)
    soft = nn.functional.one_hot(target, 3).movedim(-1, 1).float()
    torch.testing.assert_close(loss.per_sample(logits, soft).flatten(), flat)


def test_theta_keeps_its_bits_through_casts():
    theta = [0.1, 1 / 3, 1e-17, math.pi, 1e5 + 1e-9, -2.0, 0.7, 0.9]
    loss = TaylorLoss(theta).half().to(torch.bfloat16).float()
    assert TaylorFamily().read(loss).theta == tuple(theta)
    assert loss.state_dict() == {}


def test_formula_has_the_signs_of_the_polynomial():
    family = TaylorFamily(order=3)
    theta = (0.5, -0.25, 1.0, 0.0, -2.0, 0.0, 0.0, 3.0)
    expected = "mean_k[ -(h + 0.25) + 2 (h + 0.25)^3 - 3 (h + 0.25) (y - 0.5)^2 ]"
    assert family.formula(Candidate(None, theta)) == expected
    assert family.formula(Candidate(None, (0.0,) * 8)) == "mean_k[ 0 ]"
    robust = TaylorFamily(order=4, convention="robust")
    theta = (0.1, 0.2, 0.0, 1.0, 0.0, 24.0, *[0.0] * 6)
    expected = "mean_k[ 0.5 (h - 0.1)^2 + (h - 0.1)^4 ]"
    assert robust.formula(Candidate(None, theta)) == expected


@pytest.mark.parametrize(("order", "convention"), STYLES)
def test_formula_is_what_is_computed(order, convention):
    family = TaylorFamily(order, convention)
    generator = torch.Generator().manual_seed(1)
    theta = torch.randn(family.space.dimension, generator=generator, dtype=torch.float64)
    candidate = Candidate(None, tuple(round(v, 3) for v in theta.tolist()))
    text = family.formula(candidate).removeprefix("mean_k[").removesuffix("]")
    polynomial = parse_expr(
        text, transformations=(*standard_transformations, implicit_multiplication, convert_xor)
    )
    for h, y in [(0.3, 1.0), (0.9, 0.0)]:
        value = float(polynomial.subs({"h": h, "y": y}))
        loss = family.build(candidate)
        probabilities = torch.tensor([[h]], dtype=torch.float64)
        target = torch.tensor([[y]], dtype=torch.float64)
        assert loss.from_probabilities(probabilities, target).item() == pytest.approx(
            value, rel=2e-3
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": 0}, "`order` to be an integer from 1 to 20, got 0"),
        ({"order": 2.0}, "`order` to be an integer"),
        ({"order": True}, "`order` to be an integer"),
        ({"order": 10**9}, "`order`"),
        ({"convention": "glo"}, "`convention` to be one of .*'robust', 'taylorglo'.*got 'glo'"),
        ({"convention": ["robust"]}, "`convention`"),
        ({"start": "ce"}, "`start` to be one of .*'mae', 'mse', 'zero'.* got 'ce'"),
        ({"start": [1.0] * 7}, "list of 8 finite numbers"),
        ({"start": [math.nan] * 8}, "list of 8 finite numbers"),
        ({"start": [10**400] * 8}, "list of 8 finite numbers"),
        ({"start": ["1"] * 8}, "list of 8 finite numbers"),
        ({"start": 5}, "`start`"),
        ({"order": 1, "start": "mse"}, "`order` to be at least 2"),
    ],
)
def test_family_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaylorFamily(**arguments)


def test_a_search_may_start_anywhere_in_the_family():
    start = [0.1 * i for i in range(8)]
    family = TaylorFamily(start=start)
    assert family.space.start == tuple(start)
    assert TaylorFamily(**family.settings()) == family


def test_candidates_of_other_families_are_refused():
    family = TaylorFamily()
    with pytest.raises(ValueError, match="`structure` of a Taylor candidate to be None, got 'add'"):
        family.build(Candidate("add", (0.0,) * 8))
    with pytest.raises(ValueError, match="`theta` to have 8 entries for order 3, got 3"):
        family.build(Candidate(None, (0.0,) * 3))
    with pytest.raises(ValueError, match="`theta` to be finite"):
        family.build(Candidate(None, (math.inf,) * 8))
    with pytest.raises(ValueError, match=r"TaylorLoss for .*, got CrossEntropy"):
        family.read(CrossEntropy())
