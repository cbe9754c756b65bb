import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from lightning_lossmeta.analysis import loss_minimum, summarise
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import (
    AbsoluteCrossEntropy,
    Baikal,
    CrossEntropy,
    LabelSmoothing,
    MeanAbsoluteError,
    MeanSquaredError,
)
from lightning_lossmeta.theory import ALLCNNC_CIFAR10


def target_gradient(loss, p, num_classes):
    h = torch.full((1, num_classes), (1 - p) / (num_classes - 1), dtype=torch.float64)
    h[0, 0] = p
    z = h.log().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(z, torch.tensor([0])), z)
    return gradient[0, 0].item()


@pytest.mark.parametrize("num_classes", [2, 10, 100])
@pytest.mark.parametrize("loss", [MeanSquaredError(), Baikal(), TaylorLoss(ALLCNNC_CIFAR10)])
def test_gradient_scale_against_cross_entropy(loss, num_classes):
    found = summarise(loss, num_classes)
    grid = [i / 100 for i in range(1, 100)]
    ours = [target_gradient(loss, p, num_classes) for p in grid]
    theirs = [target_gradient(F.cross_entropy, p, num_classes) for p in grid]
    typical = math.sqrt(sum(g * g for g in ours) / sum(g * g for g in theirs))
    assert found.gradient_typical == pytest.approx(typical, rel=1e-9)
    assert found.learning_rate_factor == pytest.approx(1 / typical, rel=1e-9)
    untrained = target_gradient(loss, 1 / num_classes, num_classes)
    reference = target_gradient(F.cross_entropy, 1 / num_classes, num_classes)
    assert found.gradient_untrained == pytest.approx(untrained / reference, rel=1e-9)


def test_cross_entropy_is_its_own_measure():
    found = summarise(CrossEntropy(), 10)
    assert (found.gradient_untrained, found.gradient_typical) == (1.0, 1.0)
    assert found.trainable
    assert found.pull_to_push is None
    assert found.minimum == 1.0


def test_the_published_taylor_loss():
    found = summarise(TaylorLoss(ALLCNNC_CIFAR10), 10)
    assert found.gamma_target == pytest.approx(-385.7299, abs=1e-4)
    assert found.gamma_nontarget == pytest.approx(-387.0556, abs=1e-4)
    assert found.trainable
    assert found.pull_to_push == pytest.approx(found.minimum, abs=1e-5)


@pytest.mark.parametrize(
    ("loss", "p"),
    [
        (LabelSmoothing(0.1), 0.91),
        (LabelSmoothing(0.5), 0.55),
        (AbsoluteCrossEntropy(1.0, 1.25), 0.8),
        (Baikal(), 10**-0.5),
        (MeanAbsoluteError(), 1.0),
        (TaylorLoss([0, 0, 0, 1, 0, -2, 0, 0]), 0.0),  # the negative of MSE
    ],
)
def test_minimum(loss, p):
    assert loss_minimum(loss, 10) == pytest.approx(p, abs=2e-6)


def test_a_constant_loss_has_no_minimum_and_no_learning_rate():
    loss = TaylorLoss([0.0] * 8)
    found = summarise(loss, 10)
    assert math.isnan(found.minimum)
    assert found.learning_rate_factor == math.inf
    assert not found.trainable


def test_a_loss_that_unlearns_has_a_negative_gradient():
    assert summarise(TaylorLoss([0, 0, 0, 1, 0, -2, 0, 0]), 10).gradient_untrained < 0


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2, got 1"):
        summarise(CrossEntropy(), 1)
