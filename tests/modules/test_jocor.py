import numpy as np
import pytest
import torch
from method_toys import digits_accuracy, seeded_network
from scipy.special import softmax
from scipy.stats import entropy

from lightning_lossmeta.data.noise.class_conditional import SymmetricNoise
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.jocor import JoCoR, symmetric_divergence


def _losses(first, second, target, co_lambda):
    """By scipy, a sample at a time."""
    p, q = softmax(first, axis=1), softmax(second, axis=1)
    return np.array(
        [
            (1 - co_lambda) * (-np.log(a[y]) - np.log(b[y]))
            + co_lambda * (entropy(a, b) + entropy(b, a))
            for a, b, y in zip(p, q, target, strict=True)
        ]
    )


@pytest.mark.parametrize("co_lambda", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(("drop_rate", "kept"), [(0.0, 12), (0.25, 9), (0.9, 2)])
def test_is_the_mean_of_the_smallest_joint_losses(co_lambda, drop_rate, kept):
    generator = np.random.default_rng(1)
    first, second = 3 * generator.normal(size=(2, 12, 4))
    target = generator.integers(4, size=12)
    expected = np.sort(_losses(first, second, target, co_lambda))[:kept].mean()
    module = JoCoR(0.5, co_lambda=co_lambda).wrap(SupervisedModule(seeded_network()))
    tensors = (torch.tensor(x) for x in (first, second, target))
    assert module.joint_loss(*tensors, drop_rate).item() == pytest.approx(expected, rel=1e-9)


def test_both_networks_learn_from_the_samples_that_stay():
    first, second = (torch.randn(10, 3, requires_grad=True) for _ in range(2))
    module = JoCoR(0.5).wrap(SupervisedModule(seeded_network()))
    module.joint_loss(first, second, torch.randint(3, (10,)), 0.4).backward()
    stay = first.grad.abs().sum(1) > 0
    assert stay.sum() == 6
    assert torch.equal(second.grad.abs().sum(1) > 0, stay)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_divergence_is_finite_at_extreme_logits(dtype):
    first = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    second = torch.tensor([[-1e4, 1e4, 0.0], [0.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    found = symmetric_divergence(first, second)
    assert found.tolist() == pytest.approx([4e4, 0.0], rel=0.01)
    found.sum().backward()
    assert torch.isfinite(first.grad).all()
    assert torch.isfinite(second.grad).all()


def test_gradient_of_the_divergence():
    logits = (torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(symmetric_divergence, tuple(logits))


@pytest.mark.parametrize("co_lambda", [1.0, -0.1])
def test_refuses_a_weight_out_of_range(co_lambda):
    with pytest.raises(ValueError, match="Expected argument `co_lambda` to be a number in"):
        JoCoR(0.5, co_lambda=co_lambda)


def test_learns_digits_with_half_of_the_labels_wrong():
    plain = digits_accuracy(None, SymmetricNoise(0.5), seed=0)
    found = digits_accuracy(JoCoR(0.5), SymmetricNoise(0.5), seed=0)
    assert found > plain + 0.1
