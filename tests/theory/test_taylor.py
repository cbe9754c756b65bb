"""Closed forms of Taylor losses, and label smoothing that is a part of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.theory import (
    ALLCNNC_CIFAR10,
    implicit_label_smoothing,
    taylor_coefficients,
    taylor_parameters,
    zero_error_rule,
)

THETA = [0.3, -0.2, 0.5, -1.0, 0.7, 1.1, -0.4, 0.9]
numbers = st.lists(st.floats(-10, 10), min_size=8, max_size=8)


@given(theta=numbers, centres=st.tuples(st.floats(-2, 2), st.floats(-2, 2)))
def test_any_rule_can_be_written_about_any_centre(theta, centres):
    rule = taylor_coefficients(theta)
    again = taylor_parameters(rule, centres)
    assert again[:2] == centres
    assert taylor_coefficients(again) == pytest.approx(rule, rel=1e-9, abs=1e-9)


@given(theta=numbers)
def test_zero_training_error(theta):
    rule = taylor_coefficients(theta)
    a, b, c = zero_error_rule(rule)
    assert rule.gamma(0, 0) == pytest.approx(a, abs=1e-9)
    assert rule.gamma(1, 1) == pytest.approx(a + b + c, rel=1e-9, abs=1e-9)


def test_published_loss():
    """The learning rule of equation 28."""
    assert taylor_coefficients(ALLCNNC_CIFAR10) == pytest.approx(
        (-373.917, -130.264, -11.2188, -1.206, 0.336, 1.110265)
    )


def train(theta, targets, steps=30):
    """Weights of a small network after gradient descent on fixed data."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    weights = [
        torch.randn(5, 8, generator=generator, dtype=torch.float64).div(2).requires_grad_(),
        torch.randn(8, 3, generator=generator, dtype=torch.float64).div(2).requires_grad_(),
    ]
    optimizer = torch.optim.SGD(weights, lr=0.5, momentum=0.9)
    loss = TaylorLoss(theta)
    for _ in range(steps):
        optimizer.zero_grad()
        loss((inputs @ weights[0]).tanh() @ weights[1], targets).backward()
        optimizer.step()
    return weights


@pytest.mark.parametrize("theta", [[0, 0, 0, -1, 0, 2, 0, 0], THETA])
def test_trains_to_the_same_weights_as_smoothed_targets(theta):
    alpha = 0.3
    labels = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))
    hard = torch.nn.functional.one_hot(labels, 3).double()
    explicit = train(theta, hard * (1 - alpha) + alpha / 3)
    implicit = train(implicit_label_smoothing(theta, alpha, num_classes=3), labels)
    without = train(theta, labels)
    for one, two, other in zip(explicit, implicit, without, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-8)
        assert (one - other).abs().max() > 1e-3


def test_no_smoothing_changes_nothing():
    assert implicit_label_smoothing(THETA, 0.0, 10) == pytest.approx(THETA)


@pytest.mark.parametrize(
    ("theta", "alpha", "num_classes", "message"),
    [
        (THETA[:7], 0.1, 3, "`theta` to be 8 finite numbers"),
        ([*THETA[:7], float("nan")], 0.1, 3, "`theta` to be 8 finite numbers"),
        (THETA, 1.1, 3, r"`alpha` to be a number from 0 to 1, got 1\.1"),
        (THETA, 0.1, 1, "`num_classes` to be at least 2, got 1"),
    ],
)
def test_bad_arguments(theta, alpha, num_classes, message):
    with pytest.raises(ValueError, match=message):
        implicit_label_smoothing(theta, alpha, num_classes)
