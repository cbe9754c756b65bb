import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_lossmeta.modules.transposed import TransposedLinear, transpose_linear_layers


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 4), (1, 4), (0, 4), (4,), (2, 3, 4)])
def test_values_and_gradients_of_a_linear_layer(bias, shape):
    torch.manual_seed(0)
    layer = nn.Linear(4, 3, bias=bias, dtype=torch.float64)
    other = copy.deepcopy(layer)
    transpose_linear_layers(other)
    inputs = torch.randn(shape, dtype=torch.float64)
    outputs = []
    for network in (layer, other):
        own = inputs.clone().requires_grad_()
        output = network(own)
        output.square().sum().backward()
        outputs.append((output, own.grad, *(p.grad for p in network.parameters())))
    for expected, found in zip(*outputs, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shared", [True, False])
def test_under_vmap(shared):
    torch.manual_seed(0)
    layers = [nn.Linear(4, 3) for _ in range(5)]
    skeleton = copy.deepcopy(layers[0])
    transpose_linear_layers(skeleton)
    parameters, _ = stack_module_state(layers)
    inputs = torch.randn(6, 4) if shared else torch.randn(5, 6, 4)
    call = torch.vmap(
        lambda own, x: functional_call(skeleton, own, (x,)), in_dims=(0, None if shared else 0)
    )
    found = call(parameters, inputs)
    for index, layer in enumerate(layers):
        expected = layer(inputs if shared else inputs[index])
        torch.testing.assert_close(found[index], expected, rtol=1e-5, atol=1e-6)


class _Products(TorchDispatchMode):
    """Keeps the sizes of matrix products."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.bmm):
            self.sizes.append((tuple(args[0].shape), tuple(args[1].shape)))
        return func(*args, **(kwargs or {}))


def test_shared_inputs_need_one_product():
    parameters, _ = stack_module_state([nn.Linear(4, 3) for _ in range(5)])
    skeleton = nn.Linear(4, 3)
    transpose_linear_layers(skeleton)
    call = torch.vmap(lambda own, x: functional_call(skeleton, own, (x,)), in_dims=(0, None))
    with _Products() as products:
        call(parameters, torch.randn(6, 4)).sum().backward()
    assert products.sizes == [((15, 4), (4, 6)), ((15, 6), (6, 4))]


def test_only_plain_linear_layers_are_turned():
    class Special(nn.Linear):
        pass

    network = nn.Sequential(nn.Linear(2, 2), Special(2, 2), nn.Bilinear(2, 2, 2))
    names = list(network.state_dict())
    transpose_linear_layers(network)
    assert [type(layer) for layer in network] == [TransposedLinear, Special, nn.Bilinear]
    assert list(network.state_dict()) == names
