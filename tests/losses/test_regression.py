"""Regression losses against torch's own."""

import pytest
import torch

from lightning_lossmeta.losses import (
    RegressionAbsoluteError,
    RegressionHuber,
    RegressionSquaredError,
)
from lightning_lossmeta.theory import learning_rule

PAIRS = [
    (RegressionSquaredError(), torch.nn.MSELoss()),
    (RegressionAbsoluteError(), torch.nn.L1Loss()),
    (RegressionHuber(delta=0.7), torch.nn.HuberLoss(delta=0.7)),
]
each_pair = pytest.mark.parametrize(("loss", "oracle"), PAIRS)


@each_pair
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 2, 3)])
def test_equals_torch(loss, oracle, shape):
    generator = torch.Generator().manual_seed(0)
    output, target = torch.randn(2, *shape, generator=generator)
    torch.testing.assert_close(loss(output, target), oracle(output, target))
    assert loss.per_sample(output, target).shape == (5,)


@each_pair
def test_gradcheck_and_extremes(loss, oracle):
    output = torch.tensor([0.1, 1.5, -2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: loss(f, torch.zeros(3)), output)
    extreme = torch.tensor([1e4, -1e4], dtype=torch.bfloat16, requires_grad=True)
    value = loss(extreme, torch.zeros(2))
    value.backward()
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert extreme.grad.isfinite().all()


@each_pair
def test_nothing_is_broadcast(loss, oracle):
    with pytest.raises(ValueError, match=r"one shape.*\(3, 1\) and \(3,\)"):
        loss(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(ValueError, match="empty batch"):
        loss(torch.zeros(0), torch.zeros(0))


def test_outputs_are_no_probabilities():
    with pytest.raises(TypeError, match=r"classification loss, .* got RegressionHuber"):
        learning_rule(RegressionHuber(), torch.full((1, 2), 0.5), torch.zeros(1, 2))
