import pytest
import torch
from method_toys import seeded_network
from torch import nn

from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.co_teaching import CoTeaching
from lightning_lossmeta.modules.two_networks import (
    per_sample_losses,
    second_network,
    small_losses,
)


@pytest.mark.parametrize(
    ("progress", "drop_rate"),
    [(0.0, 0.0), (0.05, 0.1), (0.1, 0.2), (0.2, 0.4), (0.5, 0.4), (1.0, 0.4)],
)
def test_forget_rate_grows_and_stays(progress, drop_rate):
    method = CoTeaching(0.4)
    assert method.drop_rate(progress) == pytest.approx(drop_rate)


def test_ten_of_two_hundred_epochs_as_in_the_paper():
    method = CoTeaching(0.45, gradual_fraction=0.05)
    for epoch in range(200):
        expected = 0.45 * min(epoch / 10, 1)
        assert method.drop_rate(epoch / 200) == pytest.approx(expected)


def test_exponent_bends_the_way_to_the_forget_rate():
    found = [CoTeaching(0.8, 0.5, c).drop_rate(0.125) for c in (0.5, 1.0, 2.0)]
    assert found == pytest.approx([0.4, 0.2, 0.05])


def test_without_a_gradual_part_all_is_forgotten_from_the_first_step_on():
    assert CoTeaching(0.3, gradual_fraction=0).drop_rate(0.0) == 0.3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("forget_rate", 1.0),
        ("forget_rate", -0.1),
        ("forget_rate", float("nan")),
        ("gradual_fraction", 1.5),
        ("exponent", 0),
    ],
)
def test_refuses_numbers_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"Expected argument `{name}` to be a number in"):
        CoTeaching(**({"forget_rate": 0.5} | {name: value}))


def test_smallest_losses_are_kept():
    losses = torch.tensor([0.5, 3.0, 0.1, float("nan"), 2.0, float("inf")])
    assert small_losses(losses, 0.5).tolist() == [2, 0, 4]
    assert sorted(small_losses(losses, 0.0).tolist()) == [0, 1, 2, 3, 4, 5]
    assert 3 not in small_losses(losses, 0.2).tolist()


@pytest.mark.parametrize(
    ("size", "drop_rate", "kept"),
    [(10, 0.9, 1), (1, 0.5, 1), (3, 0.999, 1), (10, 0.7, 3), (100, 0.45, 55), (7, 0.5, 4)],
)
def test_share_is_rounded_so_that_something_stays(size, drop_rate, kept):
    assert len(small_losses(torch.randn(size), drop_rate)) == kept


def test_of_equal_losses_the_first_are_kept():
    assert small_losses(torch.ones(50), 0.6).tolist() == list(range(20))


def test_choosing_passes_no_gradient():
    losses = torch.randn(4, requires_grad=True)
    assert not small_losses(losses, 0.5).requires_grad


def test_losses_of_samples_with_many_pixels_are_means_over_them():
    output, target = torch.randn(4, 3, 2, 5), torch.randint(3, (4, 2, 5))
    expected = nn.functional.cross_entropy(output, target, reduction="none").mean((1, 2))
    torch.testing.assert_close(per_sample_losses(CrossEntropy(), output, target), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_losses_of_samples_in_other_dtypes(dtype):
    output, target = torch.randn(6, 3).to(dtype), torch.randint(3, (6,))
    for loss in (CrossEntropy(), MeanSquaredError()):
        with torch.autocast("cpu", torch.bfloat16):
            found = per_sample_losses(loss, output, target)
        wide = output if dtype is torch.float64 else output.float()
        torch.testing.assert_close(found, loss.per_sample(wide, target))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="none")])
def test_refuses_losses_that_give_no_value_a_sample(loss):
    with pytest.raises(TypeError, match=r"got CrossEntropyLoss\. Take one of lightning_lossmeta"):
        per_sample_losses(loss, torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))


def _tensors(network):
    return torch.cat([value.reshape(-1).float() for value in network.state_dict().values()])


def test_second_network_is_another_and_a_function_of_the_first():
    first, again, other = (SupervisedModule(seeded_network(seed)) for seed in (0, 0, 1))
    before = _tensors(first.network)
    peer = second_network(first)
    torch.manual_seed(77)
    assert torch.equal(_tensors(peer), _tensors(second_network(again)))
    assert not torch.equal(_tensors(peer), _tensors(second_network(other)))
    for one, twin in zip(first.network.parameters(), peer.parameters(), strict=True):
        assert one.shape == twin.shape
        assert (one != twin).float().mean() > 0.9
    assert torch.equal(_tensors(first.network), before)


def test_drawing_a_second_network_leaves_the_global_generator_alone():
    module = SupervisedModule(seeded_network())
    state = torch.get_rng_state()
    second_network(module)
    assert torch.equal(torch.get_rng_state(), state)


def test_second_network_has_the_scale_of_the_first():
    """Both draw U(-1/sqrt(in), 1/sqrt(in))."""
    peer = second_network(SupervisedModule(nn.Sequential(nn.Linear(100, 200))))
    assert peer[0].weight.abs().max() <= 0.1
    assert peer[0].weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)


def test_second_network_starts_with_statistics_of_its_own():
    network = seeded_network(0, nn.BatchNorm1d(5))
    network(torch.randn(20, 4) + 5)
    peer = second_network(SupervisedModule(network))
    assert torch.equal(peer[1].running_mean, torch.zeros(5))
    peer.train()(torch.randn(20, 4))
    assert not torch.equal(peer[1].running_mean, network[1].running_mean)


class _Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, inputs):
        return inputs * self.scale


def test_refuses_networks_whose_weights_nothing_draws():
    with (
        pytest.warns(UserWarning, match="no `reset_parameters` draws"),
        pytest.raises(ValueError, match="second network's weights, but those of Sequential stay"),
    ):
        second_network(SupervisedModule(nn.Sequential(_Scale())))


def test_parameters_that_nothing_draws_are_warned_of():
    with pytest.warns(UserWarning, match=r"network\.2\.scale"):
        peer = second_network(SupervisedModule(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), _Scale())))
    assert peer[2].scale.item() == 1
