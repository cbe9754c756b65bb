"""Where pull turns to push, for losses that say it themselves."""

import math

import pytest

from lightning_lossmeta import losses
from lightning_lossmeta.families import ExpressionLoss, TaylorLoss
from lightning_lossmeta.theory import pull_to_push, taylor_coefficients, taylor_parameters
from lightning_lossmeta.theory.taylor import TaylorCoefficients


@pytest.mark.parametrize("n", [2, 10, 100])
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.LabelSmoothing(xi=0.2), lambda n: 0.8 + 0.2 / n),
        (losses.AbsoluteCrossEntropy(phi1=1.5), lambda n: 1 / 1.5),
        (losses.Baikal(), lambda n: 1 / math.sqrt(n)),
        (losses.CrossEntropy(), lambda n: None),
        (losses.MeanSquaredError(), lambda n: None),
        (losses.MeanAbsoluteError(), lambda n: None),
        (losses.TruncatedGeneralizedCrossEntropy(k=0.3), lambda n: None),
    ],
)
def test_known_points(loss, expected, n):
    point = pull_to_push(loss, n)
    assert point == (None if expected(n) is None else pytest.approx(expected(n), abs=1e-8))


def test_taylor_loss_with_a_given_point():
    """With gamma = 0 but cy y + chy h y = y (0.7 - h), the target's gamma is zero at 0.7."""
    theta = taylor_parameters(TaylorCoefficients(0.0, 0.0, 0.0, -1.0, 0.7, 0.0))
    assert taylor_coefficients(theta).gamma(0.7, 1) == pytest.approx(0)
    assert pull_to_push(TaylorLoss(theta), 5) == pytest.approx(0.7, abs=1e-8)


def test_push_that_turns_to_pull_is_none():
    theta = taylor_parameters(TaylorCoefficients(0.0, 0.0, 0.0, 1.0, -0.7, 0.0))
    assert pull_to_push(TaylorLoss(theta), 5) is None


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="`num_classes` to be at least 2, got 1"):
        pull_to_push(losses.CrossEntropy(), 1)


def test_a_loss_whose_step_is_rounding_alone_turns_nowhere():
    constant_but_for_rounding = ExpressionLoss("max(sub(f, sub(y, f)), tanh(-1))", (1.0,) * 7)
    assert pull_to_push(constant_but_for_rounding, 10) is None
