"""The null epoch and what it says of a loss."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta import losses
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import CrossEntropy, LossFunction, MeanSquaredError
from lightning_lossmeta.theory import ALLCNNC_CIFAR10, null_epoch_rule, trainable


class Reversed(LossFunction):
    """Minus cross-entropy, of logits alone."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def per_sample(self, output, target):
        return self.factor * torch.nn.functional.cross_entropy(output, target, reduction="none")


@pytest.mark.parametrize(
    ("loss", "expected"),
    [(CrossEntropy(), (25.0, 0.0)), (MeanSquaredError(), (1.6, -0.4)), (losses.Baikal(), (30, 5))],
)
def test_null_epoch(loss, expected):
    assert null_epoch_rule(loss, 5) == pytest.approx(expected)


def test_published_loss_at_the_null_epoch():
    """Equation 30 with its erratum: -387.0556 for y = 0; -385.7299 for y = 1."""
    target, nontarget = null_epoch_rule(TaylorLoss(ALLCNNC_CIFAR10), 10)
    assert target == pytest.approx(-385.7299, abs=1e-4)
    assert nontarget == pytest.approx(-387.0556, abs=1e-4)


@pytest.mark.parametrize("test", ["exact", "published"])
@pytest.mark.parametrize("num_classes", [2, 10, 1000])
@pytest.mark.parametrize(
    "loss", [CrossEntropy(), MeanSquaredError(), losses.MeanAbsoluteError(), losses.Focal()]
)
def test_what_people_use_is_trainable(loss, num_classes, test):
    assert trainable(loss, num_classes, test)


@pytest.mark.parametrize("test", ["exact", "published"])
def test_losses_of_logits(test):
    assert trainable(Reversed(1.0), 10, test)
    assert not trainable(Reversed(-1.0), 10, test)
    assert not trainable(Reversed(float("nan")), 10, test)


def test_loss_that_ignores_the_target_is_not_trainable():
    assert not trainable(TaylorLoss([0.3, 0.1, 0.5, -1.0, 0.7, 0, 0, 0]), 10)
    assert not trainable(losses.LabelSmoothing(xi=1.0), 10)
    assert not trainable(losses.TruncatedGeneralizedCrossEntropy(k=0.5), 10)


def test_number_added_to_all_gammas_changes_the_published_test_alone():
    fits = TaylorLoss([0, 0, 0, -1.0, 0, 2.0, 0, 0])
    shifted = TaylorLoss([0, 0, 100.0, -1.0, 0, 2.0, 0, 0])
    assert trainable(fits, 10) == trainable(shifted, 10) is True
    assert trainable(fits, 10, "published") is True
    assert trainable(shifted, 10, "published") is False


@settings(max_examples=40, deadline=None)
@given(theta=st.lists(st.floats(-3, 3), min_size=8, max_size=8), num_classes=st.integers(2, 30))
def test_exact_is_whether_the_target_probability_grows(theta, num_classes):
    loss = TaylorLoss(theta)
    logits = torch.zeros(1, num_classes, dtype=torch.float64, requires_grad=True)
    loss(logits, torch.tensor([0])).backward()
    step = -1e-3 * logits.grad
    gap = (step[0, 0] - step[0, 1]).item()
    if abs(gap) > 1e-9:
        moved = step.softmax(1)[0, 0].item()
        assert trainable(loss, num_classes) == (moved > 1 / num_classes)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`num_classes` to be at least 2, got 1"):
        trainable(CrossEntropy(), 1)
    with pytest.raises(ValueError, match=r"`test` to be 'exact' or 'published', got 'both'"):
        trainable(CrossEntropy(), 2, "both")
