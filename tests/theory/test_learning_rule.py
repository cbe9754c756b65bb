"""Learning rules against their closed forms and finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta import losses
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import Baikal, CrossEntropy, LossFunction, MeanSquaredError
from lightning_lossmeta.theory import learning_rule, logit_step, taylor_coefficients

H = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], dtype=torch.float64)
TARGET = torch.tensor([1, 0])
Y = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("loss", "gamma"),
    [
        (MeanSquaredError(), 2 * (Y - H)),
        (CrossEntropy(), 3 * Y / H),
        (Baikal(), 1 / H + Y / H**2),
    ],
)
def test_closed_forms(loss, gamma):
    torch.testing.assert_close(learning_rule(loss, H, TARGET), gamma)
    torch.testing.assert_close(learning_rule(loss, H, Y), gamma)


@settings(max_examples=25, deadline=None)
@given(theta=st.lists(st.floats(-3, 3), min_size=8, max_size=8))
def test_taylor_coefficients_are_its_learning_rule(theta):
    coefficients = taylor_coefficients(theta)
    expected = [
        [coefficients.gamma(h, y) for h, y in zip(*rows, strict=True)]
        for rows in zip(H.tolist(), Y.tolist(), strict=True)
    ]
    torch.testing.assert_close(
        learning_rule(TaylorLoss(theta), H, TARGET),
        torch.tensor(expected, dtype=torch.float64),
        rtol=1e-9,
        atol=1e-9,
    )


def test_taylor_rule_is_defined_at_zero_training_error():
    theta = [0.3, -0.2, 0.5, -1.0, 0.7, 1.1, -0.4, 0.9]
    gamma = learning_rule(TaylorLoss(theta), Y, TARGET)
    coefficients = taylor_coefficients(theta)
    expected = torch.tensor([[coefficients.gamma(y, y) for y in row] for row in Y.tolist()])
    torch.testing.assert_close(gamma, expected.double(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        losses.Focal(gamma=1.5),
        losses.NormalizedCrossEntropy(),
        losses.SparseLabelSmoothing(),
        losses.BootstrapSoft(),
        losses.ForwardCorrection(torch.eye(3) * 0.7 + 0.1),
        TaylorLoss([0.1, 0.2, 0.3, -1.0, 0.4, 1.5, -0.3, 0.2]),
    ],
)
def test_gamma_through_the_softmax_is_the_gradient_of_the_logits(loss):
    logits = H.log().requires_grad_()
    (gradient,) = torch.autograd.grad(loss.per_sample(logits, TARGET).sum(), logits)
    gamma = learning_rule(loss, H, TARGET)
    through = H * (gamma - (H * gamma).sum(1, keepdim=True))
    torch.testing.assert_close(through, -3 * gradient, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(logit_step(loss, H.log(), TARGET), -3 * gradient)


class OfLogits(LossFunction):
    """Cross-entropy that says nothing of probabilities."""

    def per_sample(self, output, target):
        return torch.nn.functional.cross_entropy(output, target, reduction="none")


def test_loss_of_logits_has_the_rule_up_to_one_number_a_sample():
    gamma = learning_rule(OfLogits(), H, TARGET)
    difference = gamma - 3 * Y / H
    torch.testing.assert_close(difference, difference[:, :1].expand(2, 3))
    torch.testing.assert_close(
        (gamma * H).sum(1), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0
    )


def test_works_where_gradients_are_turned_off():
    with torch.inference_mode():
        gamma = learning_rule(MeanSquaredError(), H * 1, TARGET + 0)
    torch.testing.assert_close(gamma, 2 * (Y - H))
