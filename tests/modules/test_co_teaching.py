import math

import pytest
import torch
from method_toys import digits_accuracy, seeded_network
from torch import nn

from lightning_lossmeta.data.noise.class_conditional import SymmetricNoise
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.co_teaching import CoTeaching


def _logits(*probabilities):
    """Two classes; the first has these probabilities."""
    p = torch.tensor(probabilities)
    return torch.stack([p.log(), (1 - p).log()], dim=1).requires_grad_()


def _module(loss=None):
    return CoTeaching(0.5).wrap(SupervisedModule(seeded_network(), loss))


def test_each_network_learns_what_the_other_chose():
    """The first is surest of samples 0 and 1, the second of 1 and 3."""
    first, second = _logits(0.9, 0.8, 0.3, 0.2), _logits(0.1, 0.7, 0.4, 0.6)
    target = torch.zeros(4, dtype=torch.long)
    loss = _module().joint_loss(first, second, target, 0.5)
    of_first = -(math.log(0.8) + math.log(0.2)) / 2
    of_second = -(math.log(0.1) + math.log(0.7)) / 2
    assert loss.item() == pytest.approx(of_first + of_second)
    loss.backward()
    assert first.grad.abs().sum(1).nonzero().flatten().tolist() == [1, 3]
    assert second.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 1]


def test_with_nothing_forgotten_each_has_the_plain_loss():
    first, second, target = torch.randn(8, 3), torch.randn(8, 3), torch.randint(3, (8,))
    expected = sum(nn.functional.cross_entropy(f, target) for f in (first, second))
    torch.testing.assert_close(_module().joint_loss(first, second, target, 0.0), expected)


def test_class_weights_hold_within_what_was_chosen():
    first, second, target = torch.randn(8, 2), torch.randn(8, 2), torch.arange(8) % 2
    weight = torch.tensor([1.0, 3.0])
    chosen = [
        nn.functional.cross_entropy(f, target, weight, reduction="none").argsort()[:4]
        for f in (first, second)
    ]
    expected = sum(
        nn.functional.cross_entropy(f[c], target[c], weight)
        for f, c in ((first, chosen[1]), (second, chosen[0]))
    )
    module = _module(CrossEntropy(weight=weight))
    torch.testing.assert_close(module.joint_loss(first, second, target, 0.5), expected)


def test_learns_digits_with_half_of_the_labels_wrong():
    plain = digits_accuracy(None, SymmetricNoise(0.5), seed=0)
    found = digits_accuracy(CoTeaching(0.5), SymmetricNoise(0.5), seed=0)
    assert found > plain + 0.1
