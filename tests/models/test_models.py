import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state

from lightning_lossmeta.models import MLP, LeNet5, LogisticRegression

CASES = [
    (lambda: LogisticRegression(784, 10), 784 * 10 + 10, (1, 28, 28)),
    (lambda: MLP(784, [1000], 10), 784 * 1000 + 1000 + 1000 * 10 + 10, (1, 28, 28)),
    (lambda: MLP(64, [32, 16], 3, 0.5, True), 2080 + 528 + 51 + 2 * 48, (1, 8, 8)),
    (lambda: LeNet5(), 61_706, (1, 28, 28)),  # as counted by LeCun et al. for 32x32 inputs
    (lambda: LeNet5(7, 3, 32), 456 + 2416 + 120 * 577 + 10_164 + 595, (3, 32, 32)),
]


@pytest.mark.parametrize(("make", "count", "shape"), CASES)
def test_parameter_counts_and_shapes(make, count, shape):
    network = make().eval()
    assert sum(p.numel() for p in network.parameters()) == count
    outputs = network(torch.randn(5, *shape))
    assert outputs.shape[0] == 5
    assert outputs.dim() == 2


@pytest.mark.parametrize(("make", "count", "shape"), CASES)
def test_a_stack_equals_the_networks_one_by_one(make, count, shape):
    networks = [make().eval() for _ in range(3)]
    state = stack_module_state(networks)
    inputs = torch.randn(4, *shape)
    skeleton = copy.deepcopy(networks[0])
    stacked = torch.vmap(lambda p, b: functional_call(skeleton, (p, b), (inputs,)))(*state)
    for output, network in zip(stacked, networks, strict=True):
        assert torch.allclose(output, network(inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogisticRegression(0, 10), "`in_features`.*got 0"),
        (lambda: MLP(4, [0], 10), "`hidden`.*got 0"),
        (lambda: MLP(4, [3], 10, dropout=1.0), "`dropout`"),
        (lambda: LeNet5(0), "`num_classes`"),
        (lambda: LeNet5(image_size=30), "multiple of 4.*got 30"),
    ],
)
def test_bad_sizes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
