"""Attraction against what a step of the logits really does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta import losses
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import Baikal, CrossEntropy, MeanSquaredError
from lightning_lossmeta.theory import (
    ALLCNNC_CIFAR10,
    attraction,
    attraction_curve,
    attraction_strength,
    learning_rule,
)
from lightning_lossmeta.theory.attraction import symmetric_logits

EPSILON = torch.linspace(0.001, 0.999, 200, dtype=torch.float64)


def paper_formula(gamma_target, gamma_nontarget, e, n, b):
    """Equation 17 with A and B as they stand."""
    a = e * (1 - e) * (gamma_target - gamma_nontarget)
    return e * (e - 1) * (a.exp() - b.exp()) / ((e - 1) * a.exp() - e * b.exp())


@settings(max_examples=40, deadline=None)
@given(
    gammas=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    epsilon=st.floats(0.001, 0.999),
    n=st.integers(2, 50),
)
def test_both_forms_are_equation_17(gammas, epsilon, n):
    target, nontarget, e = (torch.tensor(x, dtype=torch.float64) for x in (*gammas, epsilon))
    right = -e * (1 - e) * (target - nontarget) / (n - 1)
    printed = (e * (e - 1) * target * (n - 1) + e * nontarget * (e * (n - 3) + n - 1)) / (
        n - 1
    ) ** 2
    for form, b in (("exact", right), ("published", printed)):
        torch.testing.assert_close(
            attraction_strength(target, nontarget, e, n, form),
            paper_formula(target, nontarget, e, n, b),
            rtol=1e-9,
            atol=1e-12,
        )


@pytest.mark.parametrize(
    "loss", [CrossEntropy(), Baikal(), losses.Focal(), TaylorLoss([0, 0, 1, -1, 2, 2, 1, 1])]
)
@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_curve_is_theorem_2(loss, n):
    epsilon = torch.tensor([0.01, 0.3, 0.7, 0.99], dtype=torch.float64)
    h = symmetric_logits(n, 1 - epsilon).exp()
    gamma = learning_rule(loss, h, torch.zeros(4, dtype=torch.long))
    expected = attraction_strength(gamma[:, 0], gamma[:, 1], epsilon, n)
    torch.testing.assert_close(attraction_curve(loss, n, epsilon), expected, rtol=1e-9, atol=1e-12)
    published = attraction_strength(gamma[:, 0], gamma[:, 1], epsilon, n, "published")
    torch.testing.assert_close(attraction_curve(loss, n, epsilon, "published"), published)


def test_samples_move_as_a_step_moves_them():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.randint(5, (20,), generator=generator)
    loss = losses.GeneralizedCrossEntropy(reduction="sum")
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    before, after = ((z).softmax(1)[range(20), target] for z in (logits, logits - 5 * gradient))
    torch.testing.assert_close(attraction(loss, logits, target), (after - before).detach())


@pytest.mark.parametrize("n", [2, 10, 1000])
def test_shape_of_figure_3(n):
    for loss in (CrossEntropy(), MeanSquaredError()):
        assert (attraction_curve(loss, n, EPSILON) > 0).all()
    for loss in (Baikal(), TaylorLoss(ALLCNNC_CIFAR10)):
        if n == 10:
            curve = attraction_curve(loss, n, EPSILON)
            assert curve[0] < 0 < curve[-1]
            assert (curve.sign().diff() != 0).sum() == 1


def test_extreme_logits():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [0.0, 0.0, 0.0]])
    for loss in (CrossEntropy(), Baikal(), losses.SparseLabelSmoothing()):
        values = attraction(loss, logits, torch.tensor([0, 0, 1]))
        assert values.isfinite().all()
        assert (values.abs() <= 1).all()


def test_bad_arguments():
    one = torch.ones(())
    with pytest.raises(ValueError, match="`form` to be 'exact' or 'published', got 'both'"):
        attraction_strength(one, one, one / 2, 2, "both")
    with pytest.raises(ValueError, match="`num_classes` to be at least 2, got 1"):
        attraction_strength(one, one, one / 2, 1)
    with pytest.raises(ValueError, match="`num_classes` to be at least 2, got 1"):
        attraction_curve(CrossEntropy(), 1, EPSILON)
    with pytest.raises(ValueError, match=r"between 0 and 1, ends excluded, got shape \(2,\)"):
        attraction_curve(CrossEntropy(), 2, torch.tensor([0.0, 0.5]))
