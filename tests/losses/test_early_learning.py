"""Early-learning regularisation against its paper's formula, written in NumPy."""

import numpy as np
import pytest
import torch

from lightning_lossmeta.losses import EarlyLearningRegularization


def _softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.clip(powers / powers.sum(1, keepdims=True), 1e-4, 1 - 1e-4)


def test_three_visits_are_those_of_the_paper():
    generator = np.random.default_rng(0)
    elr = EarlyLearningRegularization(6, 3, strength=3.0, momentum=0.7).double()
    memory = np.zeros((6, 3))
    for index in ([0, 5, 2], [5, 1], [2, 5, 0, 3]):
        logits = 6 * generator.normal(size=(len(index), 3))
        output = torch.tensor(logits, requires_grad=True)
        value = elr(output, torch.tensor(index))
        h = _softmax(logits)
        memory[index] = 0.7 * memory[index] + 0.3 * h / h.sum(1, keepdims=True)
        inner = (memory[index] * h).sum(1)
        assert value.item() == pytest.approx(3 * np.log(1 - inner).mean(), rel=1e-12)
        # Equation 6 of the paper: dR/dz = -strength h (t - <t, h>) / (1 - <t, h>), where h is free.
        (found,) = torch.autograd.grad(value, output)
        free = ((h > 1e-4) & (h < 1 - 1e-4)).all(1)
        expected = -3 * h * (memory[index] - inner[:, None]) / (1 - inner[:, None]) / len(index)
        np.testing.assert_allclose(found[free], expected[free], rtol=1e-9, atol=1e-12)
        assert free.any()
    np.testing.assert_allclose(elr.memory, memory, rtol=1e-12)


def test_sure_predictions_give_finite_values_and_half_precision_is_float32():
    elr = EarlyLearningRegularization(2, 2, momentum=0.0)
    output = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = elr(output, torch.tensor([1]))
    value.backward()
    assert value.isfinite()
    assert output.grad.isfinite().all()
    assert elr(output.bfloat16(), torch.tensor([1])).dtype == torch.float32


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 3], "numbers of training samples, 0 to 2, got 0 to 3"),
        ([-1, 0], "0 to 2, got -1 to 0"),
        ([0.0, 1.0], "to hold integers, got torch.float32"),
        ([0], r"`index` of shape \(batch,\), got \(2, 2\) and \(1,\)"),
    ],
)
def test_indices_that_are_none_are_refused_before_anything_is_remembered(index, message):
    elr = EarlyLearningRegularization(3, 2)
    with pytest.raises(ValueError, match=message):
        elr(torch.zeros(2, 2), torch.tensor(index))
    assert (elr.memory == 0).all()


@pytest.mark.parametrize("setting", [{"strength": -1.0}, {"momentum": 1.0}, {"num_classes": 1}])
def test_settings_outside_their_interval(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"`{name}`.*got {value}"):
        EarlyLearningRegularization(**({"num_samples": 3, "num_classes": 2} | setting))
