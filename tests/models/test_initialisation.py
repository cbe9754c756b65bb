"""Initial weights against the formula of He et al., and signals that neither die nor explode."""

import math

import pytest
import torch
from architectures import ARCHITECTURES, make_reduced, name_of
from torch import nn

from lightning_lossmeta.models import VGG, AllCNNC, ResNet18, SqueezeNet, WideResNet
from lightning_lossmeta.models.initialisation import HeSequential, draw_he_normal


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 40 * 9), ("fan_out", 80 * 9)])
def test_the_formula(mode, fan):
    network = nn.Sequential(nn.Conv2d(40, 80, 3), nn.BatchNorm2d(80), nn.Linear(80, 300))
    with torch.no_grad():
        for value in network.parameters():
            value.fill_(7)
    draw_he_normal(network, mode)
    convolution, normalisation, linear = network.requires_grad_(False)
    assert float(convolution.weight.std()) == pytest.approx(math.sqrt(2 / fan), rel=0.03)
    assert float(convolution.weight.mean()) == pytest.approx(0, abs=0.002)
    assert not convolution.bias.any()
    assert (normalisation.weight == 1).all()
    assert not normalisation.bias.any()
    # PyTorch's own: uniform within 1 / sqrt(inputs).
    assert float(linear.weight.abs().max()) == pytest.approx(1 / math.sqrt(80), rel=0.01)
    assert linear.bias.any()


@pytest.mark.parametrize(
    ("network", "std"),
    [
        (lambda: AllCNNC()[3], math.sqrt(2 / (9 * 96))),
        (lambda: VGG(11)[4], math.sqrt(2 / (9 * 64))),
        (lambda: ResNet18().layer2[0].conv1, math.sqrt(2 / (9 * 128))),
        (lambda: WideResNet(10, 4)[1].residual[0], math.sqrt(2 / (9 * 64))),
        (lambda: SqueezeNet()[0], math.sqrt(2 / (9 * 3))),
        (lambda: SqueezeNet()[5].expand3x3[0], math.sqrt(2 / (9 * 16))),
    ],
)
def test_convolutions_of_architectures(network, std):
    assert float(network().weight.detach().std()) == pytest.approx(std, rel=0.06)


@pytest.mark.parametrize("cls", ARCHITECTURES, ids=name_of)
def test_signals_reach_the_end(cls):
    torch.manual_seed(0)
    network = make_reduced(cls, size=32)
    outputs = network(torch.randn(16, 3, 32, 32))
    # Not the same whatever the input, as with weights that are too small for the depth.
    spread = outputs.std(dim=0).mean() / outputs.abs().mean()
    assert outputs.abs().max() < 50
    assert spread > 0.02


def test_a_network_inside_another_keeps_its_weights():
    inner = HeSequential(nn.Conv2d(40, 80, 3))
    draw_he_normal(nn.Sequential(inner, nn.Linear(2, 2)), "fan_in")
    assert float(inner[0].weight.detach().std()) == pytest.approx(math.sqrt(2 / 360), rel=0.05)
