"""The robust losses of papers, against NumPy at the settings the papers train with."""

import numpy as np
import pytest
import torch

from lightning_lossmeta.losses import (
    AsymmetricGeneralizedCrossEntropy,
    AsymmetricUnhinged,
    CEEpsilonAndMAE,
    CrossEntropy,
    GeneralizedCrossEntropy,
    LogitBias,
    MeanAbsoluteError,
    MeanSquaredError,
    NCEAndAGCE,
    NCEAndAMSE,
    NCEAndNNCE,
)

LOGITS = np.array([[2.0, -1.0, 0.5], [-3.0, 4.0, 1.0], [0.0, 0.1, -0.2], [9.0, -9.0, 0.0]])
TARGET = np.array([0, 2, 1, 1])
POWERS = np.exp(LOGITS - LOGITS.max(1, keepdims=True))
H = POWERS / POWERS.sum(1, keepdims=True)
P = H[np.arange(4), TARGET]
NCE = np.log(P) / np.log(H).sum(1)
CLAMPED = np.log(np.clip(H, 1e-7, 1)) - np.log(1e-7)
PUSHED = (H + 1e5 * (H.max(1, keepdims=True) == H)) / (1e5 + 1)

# Each as its paper writes it, with the settings of its paper.
GOLDEN = [
    (AsymmetricGeneralizedCrossEntropy(4, 0.2), (5**0.2 - (4 + P) ** 0.2) / 0.2),
    (AsymmetricGeneralizedCrossEntropy(), (1.6**0.6 - (0.6 + P) ** 0.6) / 0.6),
    (AsymmetricUnhinged(3, 0.1), ((3 - P) ** 0.1 - 2**0.1) / 0.1),
    (AsymmetricUnhinged(), ((5.5 - P) ** 3 - 4.5**3) / 3),
    (NCEAndAGCE(), NCE + 4 * (7**1.5 - (6 + P) ** 1.5) / 1.5),
    (NCEAndNNCE(), 5 * NCE + 5 * (1 - CLAMPED[np.arange(4), TARGET] / CLAMPED.sum(1))),
    (
        CEEpsilonAndMAE(),
        -0.01 * np.log(np.maximum(PUSHED[np.arange(4), TARGET], 1e-8)) + 5 * 2 * (1 - P),
    ),
    (CEEpsilonAndMAE(0.5, 0, 1e5, 0), -0.5 * np.log(PUSHED[np.arange(4), TARGET])),
    (NCEAndAMSE(), NCE + ((H - 30 * np.eye(3)[TARGET]) ** 2).mean(1)),
    (LogitBias(), 2 * (1 - 2 * P / (2 * P + 1 - P))),  # e^epsilon = n - 1 = 2
]


@pytest.mark.parametrize(("loss", "expected"), GOLDEN, ids=lambda x: str(x)[:30])
def test_values_are_those_of_the_papers_formula(loss, expected):
    values = loss.per_sample(torch.tensor(LOGITS), torch.tensor(TARGET))
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("loss", "limit", "factor"),
    [
        (AsymmetricGeneralizedCrossEntropy(1e-12, 0.7), GeneralizedCrossEntropy(0.7), 1.0),
        (AsymmetricUnhinged(5.5, 1.0), MeanAbsoluteError(), 0.5),
        (CEEpsilonAndMAE(1, 0, 0, 0), CrossEntropy(), 1.0),
        (NCEAndAMSE(0, 1, 1), MeanSquaredError(), 1.0),
        (LogitBias(CrossEntropy(), 0.0), CrossEntropy(), 1.0),
    ],
    ids=lambda x: str(x)[:30],
)
def test_limits_are_losses_known_before(loss, limit, factor):
    output, target = torch.tensor(LOGITS), torch.tensor(TARGET)
    torch.testing.assert_close(
        loss.per_sample(output, target), factor * limit.per_sample(output, target)
    )


def test_bias_lets_an_untrained_network_with_1000_classes_learn():
    """The mean absolute error's gradient is 1/n there, and with the bias its largest, 1/2."""
    gradients = []
    for loss in (MeanAbsoluteError(), LogitBias()):
        logits = torch.zeros(1, 1000, requires_grad=True)
        loss(logits, torch.tensor([7])).backward()
        gradients.append(-logits.grad[0, 7].item())
    assert gradients == pytest.approx([2 * 999 / 1000**2, 0.5], rel=1e-4)


def test_bias_takes_the_settings_that_its_loss_must_not_have():
    with pytest.raises(ValueError, match=r"Give them to LogitBias"):
        LogitBias(MeanAbsoluteError(weight=[1.0, 2.0]))
    with pytest.raises(TypeError, match=r"hand-made loss of classes.*got MSELoss"):
        LogitBias(torch.nn.MSELoss())
    loss = LogitBias(weight=[1.0, 2.0, 3.0], ignore_index=0)
    each = LogitBias().per_sample(torch.tensor(LOGITS), torch.tensor(TARGET))
    expected = (3 * each[1] + 2 * each[2] + 2 * each[3]) / 7
    torch.testing.assert_close(loss(torch.tensor(LOGITS), torch.tensor(TARGET)), expected)


def test_pushed_probabilities_end_at_the_smallest():
    """Where h' of the target is below it, the cross-entropy part gives no gradient."""
    logits = torch.tensor([[5.0, -5.0, 0.0]], requires_grad=True)
    CEEpsilonAndMAE(1, 0, 1e5)(logits, torch.tensor([1])).backward()
    assert torch.equal(logits.grad, torch.zeros(1, 3))
    CEEpsilonAndMAE(1, 0, 1e5, smallest=0)(logits, torch.tensor([1])).backward()
    expected = logits.detach().softmax(1) - torch.tensor([[0.0, 1.0, 0.0]])
    torch.testing.assert_close(logits.grad, expected)
