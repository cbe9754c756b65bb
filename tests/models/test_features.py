"""Penultimate features: with the last layer they give the outputs."""

import pytest
import torch
import torchvision
from architectures import ARCHITECTURES, make_reduced, name_of
from torch import nn

from lightning_lossmeta.models import CNN4, LeNet5, ResNet18, penultimate
from lightning_lossmeta.modules import SupervisedModule

WIDTHS = {
    "AlexNet": 32,
    "AllCNNC": 192,
    "CNN4": 1024,
    "JoCoRNet": 196,
    "LeNet5": 84,
    "LogisticRegression": 3 * 16 * 16,
    "MLP": 12,
    "PreActResNet": 64,
    "PyramidNet": 26,
    "ResNet18": 512,
    "SqueezeNet": 512,
    "VGG": 512,
    "WideResNet": 128,
}


@pytest.mark.parametrize("cls", ARCHITECTURES, ids=name_of)
def test_the_last_layer_turns_them_into_the_outputs(cls):
    torch.manual_seed(0)
    network = make_reduced(cls).eval()
    inputs = torch.randn(5, 3, 16, 16)
    features = penultimate(network, inputs)
    assert features.shape == (5, WIDTHS[cls.__name__])
    last = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    torch.testing.assert_close(last(features), network(inputs))


@pytest.mark.parametrize(
    ("convolution", "pooling", "shape"),
    [
        (nn.Conv1d(4, 3, 1), nn.AdaptiveAvgPool1d(1), (2, 4, 6)),
        (nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), (2, 4, 6, 5)),
        (nn.Conv3d(4, 3, 1), nn.AdaptiveAvgPool3d(1), (2, 4, 6, 5, 3)),
    ],
)
def test_class_maps_that_are_averaged(convolution, pooling, shape):
    inputs = torch.randn(shape)
    features = penultimate(nn.Sequential(convolution, pooling, nn.Flatten()), inputs)
    assert features.shape == (2, 4)
    outputs = features @ convolution.weight.flatten(1).T + convolution.bias
    torch.testing.assert_close(outputs, pooling(convolution(inputs)).flatten(1))


def test_an_all_convolutional_network_of_torchvision():
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(num_classes=7).eval()
    last = network.classifier[1]
    with torch.no_grad():
        last.bias.fill_(100)  # no map is negative, so that ReLU does nothing
    inputs = torch.randn(3, 3, 40, 40)
    outputs = penultimate(network, inputs) @ last.weight.flatten(1).T + last.bias
    torch.testing.assert_close(outputs, network(inputs))


def test_the_network_is_put_back_as_it_was():
    torch.manual_seed(0)
    network = ResNet18().train()
    network.layer1.eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    penultimate(network, torch.randn(2, 3, 16, 16))
    assert network.training
    assert network.layer2[0].bn1.training
    assert not network.layer1[0].bn1.training
    assert not network.fc._forward_pre_hooks
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_it_is_put_back_after_a_failure_too():
    network = LeNet5().train()
    with pytest.raises(RuntimeError):
        penultimate(network, torch.randn(2, 3, 28, 28))
    assert network.training
    assert not any(layer._forward_pre_hooks for layer in network.modules())


def test_dropout_does_nothing():
    network = nn.Sequential(nn.Dropout(0.9), nn.Linear(50, 2)).train()
    inputs = torch.ones(4, 50)
    assert torch.equal(penultimate(network, inputs), inputs)


def test_the_layer_that_runs_last_counts_not_the_one_that_is_registered_last():
    class Reversed(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)
            self.first = nn.Linear(4, 3)
            self.unused = nn.Linear(9, 9)

        def forward(self, inputs):
            return self.last(input=self.first(inputs).relu())

    network, inputs = Reversed(), torch.randn(6, 4)
    torch.testing.assert_close(penultimate(network, inputs), network.first(inputs).relu())


def test_a_module_that_holds_the_network_will_do():
    network, inputs = CNN4(), torch.randn(2, 1, 28, 28)
    features = penultimate(SupervisedModule(network), inputs)
    assert torch.equal(features, penultimate(network, inputs))


def test_gradients_pass():
    inputs = torch.randn(2, 1, 28, 28, requires_grad=True)
    penultimate(LeNet5(), inputs).sum().backward()
    assert inputs.grad.any()


@pytest.mark.parametrize(
    ("network", "inputs", "message"),
    [
        (nn.Flatten(), torch.ones(2, 3), "Flatten to run an nn.Linear.*has 0 of them"),
        (nn.ModuleDict({"a": nn.Linear(1, 1)}), torch.ones(2, 3), "has 1 of them and ran none"),
        (nn.Linear(3, 2), torch.ones(2, 4, 3), r"each of the 2 samples, got.*\(2, 4, 3\)"),
        (nn.Sequential(nn.Flatten(0, 1), nn.Linear(3, 2)), torch.ones(2, 4, 3), r"got.*\(8, 3\)"),
    ],
)
def test_networks_without_such_features(network, inputs, message):
    if isinstance(network, nn.ModuleDict):
        network.forward = lambda batch: batch
    with pytest.raises(ValueError, match=message):
        penultimate(network, inputs)
