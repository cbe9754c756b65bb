"""Architectures under training: stacked, copied and re-initialised."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state

from lightning_lossmeta.models import MLP, LeNet5, LogisticRegression

CASES = [
    pytest.param(lambda: LogisticRegression(64, 10), (1, 8, 8), id="logistic"),
    pytest.param(lambda: MLP(64, [32, 16], 10, 0.5, True), (1, 8, 8), id="mlp"),
    pytest.param(lambda: LeNet5(10, 1, 12), (1, 12, 12), id="lenet5"),
]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_a_training_stack_equals_the_networks_one_by_one(make, shape):
    networks = [make() for _ in range(3)]
    parameters, buffers = stack_module_state(networks)
    skeleton = copy.deepcopy(networks[0])
    inputs = torch.randn(6, *shape)

    def one(state):
        return functional_call(skeleton, state, (inputs,))

    torch.manual_seed(5)
    stacked = torch.vmap(one, randomness="same")((parameters, buffers))
    for index, network in enumerate(networks):
        torch.manual_seed(5)
        torch.testing.assert_close(stacked[index], network(inputs))
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(buffers[name][index], buffer)


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_reset_parameters_draws_what_construction_draws(make, shape):
    del shape
    torch.manual_seed(1)
    constructed = make()
    reset = copy.deepcopy(make())
    torch.manual_seed(1)
    for layer in reset.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    for name, value in constructed.state_dict().items():
        assert torch.equal(reset.state_dict()[name], value), name


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_every_parameter_receives_a_gradient(make, shape):
    torch.manual_seed(0)
    network = make()
    network(torch.randn(32, *shape)).pow(2).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_lenet5_counts_by_hand():
    rgb32 = LeNet5(7, 3, 32)
    convolutions = (3 * 25 + 1) * 6 + (6 * 25 + 1) * 16
    linear = (16 * 6 * 6 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 7
    assert sum(p.numel() for p in rgb32.parameters()) == convolutions + linear
    assert rgb32(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_mlp_without_hidden_layers_is_logistic_regression():
    mlp, logistic = MLP(6, [], 3), LogisticRegression(6, 3)
    mlp.load_state_dict(logistic.state_dict())
    inputs = torch.randn(4, 2, 3)
    assert torch.equal(mlp(inputs), logistic(inputs))


@pytest.mark.parametrize("network", [LogisticRegression(4, 2), MLP(4, [3], 2)])
def test_extreme_and_empty_batches(network):
    assert network(torch.full((2, 4), 1e4)).isfinite().all()
    assert network(torch.full((1, 4), torch.nan)).isnan().all()
    assert network(torch.zeros(0, 4)).shape == (0, 2)
