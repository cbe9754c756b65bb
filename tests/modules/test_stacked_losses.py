import pytest
import torch

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily
from lightning_lossmeta.losses import CrossEntropy, Focal, MeanSquaredError
from lightning_lossmeta.modules import StackedLosses


def _taylor(count, family=None):
    family = family or TaylorFamily()
    generator = torch.Generator().manual_seed(0)
    thetas = torch.randn(count, 8, generator=generator, dtype=torch.float64).tolist()
    return [family.build(Candidate(None, tuple(theta))) for theta in thetas]


def _batch(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(count, 6, 3, generator=generator)
    return outputs, torch.arange(6) % 3


def _one_by_one(losses, outputs, target):
    return torch.stack([loss(x, target) for loss, x in zip(losses, outputs, strict=True)])


@pytest.mark.parametrize("family", [TaylorFamily(), NormalisedFamily(TaylorFamily(), 3)])
def test_one_family_is_called_as_one_by_one(family):
    losses = _taylor(5, family)
    outputs, target = _batch(5)
    found = StackedLosses(losses, ["taylor"] * 5)(outputs, target)
    torch.testing.assert_close(found, _one_by_one(losses, outputs, target))


def test_losses_of_different_code_keep_their_order():
    one, two = _taylor(2)
    losses = [CrossEntropy(), one, Focal(2.0), two, CrossEntropy(), MeanSquaredError()]
    keys = ["CE", "taylor", "focal", "taylor", "CE", "MSE"]
    outputs, target = _batch(6)
    found = StackedLosses(losses, keys)(outputs, target)
    torch.testing.assert_close(found, _one_by_one(losses, outputs, target))


def test_each_output_gets_the_gradient_of_its_own_loss():
    losses = [*_taylor(2), CrossEntropy()]
    outputs, target = _batch(3)
    stacked = StackedLosses(losses, ["taylor", "taylor", "CE"])
    outputs.requires_grad_()
    (found,) = torch.autograd.grad(stacked(outputs, target).sum(), outputs)
    (expected,) = torch.autograd.grad(_one_by_one(losses, outputs, target).sum(), outputs)
    torch.testing.assert_close(found, expected)


def test_one_output_that_is_no_number_spoils_only_itself():
    losses = _taylor(3)
    outputs, target = _batch(3)
    outputs[1, 2, 0] = float("nan")
    found = StackedLosses(losses, ["taylor"] * 3)(outputs, target)
    assert found.isnan().tolist() == [False, True, False]


def test_other_values_can_be_loaded():
    first, second = _taylor(4)[:2], _taylor(4)[2:]
    stacked = StackedLosses(first, ["taylor"] * 2)
    stacked.load(StackedLosses(second, ["taylor"] * 2))
    outputs, target = _batch(2)
    torch.testing.assert_close(stacked(outputs, target), _one_by_one(second, outputs, target))


def test_values_keep_their_bits_and_stay_out_of_checkpoints():
    losses = _taylor(3)
    stacked = StackedLosses(losses, ["taylor"] * 3).half().float()
    assert stacked.state_dict() == {}
    (buffer,) = stacked.buffers()
    assert torch.equal(buffer, torch.stack([loss.theta for loss in losses]))


@pytest.mark.parametrize("count", [1, 3])
def test_a_loss_that_gives_one_number_a_sample_is_refused(count):
    losses = [Focal(reduction="none") for _ in range(count)]
    outputs, target = _batch(count + 1)
    for keys in (["focal"] * count, list(range(count))):
        stacked = StackedLosses([*losses, CrossEntropy()], [*keys, "CE"])
        with pytest.raises(ValueError, match=r"Expected Focal to give one number .*\(6,\)"):
            stacked(outputs, target)
