"""Attacks against an independent library, closed forms, and networks that hide their gradient."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.modules.attacks import Normalisation, ascent, classified, fgsm, pgd
from lightning_lossmeta.modules.networks import networks_of

PIXELS = Normalisation((0.3, 0.6, 0.5), (0.25, 0.4, 0.1))


def _network(seed=0):
    """Convolutions and batch normalisation with statistics of its own."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, stride=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 9, 5),
    )
    for layer in network:
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return network.eval()


def _images(count=40):
    """Raw pixels, many at the ends of their range, and labels."""
    generator = torch.Generator().manual_seed(1)
    raw = torch.rand(count, 3, 8, 8, generator=generator).mul(1.6).sub(0.3).clamp(0, 1)
    return raw, torch.randint(5, (count,), generator=generator)


def _normalised(raw):
    mean, std = (torch.tensor(v, dtype=raw.dtype).view(-1, 1, 1) for v in (PIXELS.mean, PIXELS.std))
    return (raw - mean) / std


def _raw(inputs):
    mean, std = (torch.tensor(v).to(inputs).view(-1, 1, 1) for v in (PIXELS.mean, PIXELS.std))
    return inputs * std + mean


@pytest.mark.parametrize("epsilon", [0.0, 8 / 255, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fgsm_agrees_with_a_library(epsilon, dtype):
    torchattack = pytest.importorskip("torchattack", reason="the extra `dev` has it")
    network, (raw, target) = _network().to(dtype), _images()
    raw = raw.to(dtype)
    library = torchattack.FGSM(network, _normalised, torch.device("cpu"), eps=epsilon)
    own = networks_of(SupervisedModule(network).eval())
    found = fgsm(own, _normalised(raw)[None], target[None], epsilon, PIXELS)
    expected = library(raw, target).detach()
    torch.testing.assert_close(_raw(found[0]), expected, rtol=0, atol=1e-6)
    assert epsilon == 0 or (expected - raw).abs().max() == pytest.approx(epsilon, rel=1e-5)


@pytest.mark.parametrize(("epsilon", "size"), [(8 / 255, 2 / 255), (0.3, 0.05), (0.3, 0.3)])
def test_twenty_steps_agree_with_a_library(epsilon, size):
    torchattack = pytest.importorskip("torchattack", reason="the extra `dev` has it")
    network, (raw, target) = _network().double(), _images()
    raw = raw.double()
    torch.manual_seed(7)
    start = torch.empty_like(raw).uniform_(-epsilon, epsilon)
    torch.manual_seed(7)
    library = torchattack.PGD(network, _normalised, torch.device("cpu"), epsilon, 20, size)
    expected = library(raw, target).detach()
    own = networks_of(SupervisedModule(network).eval())
    found = pgd(own, _normalised(raw)[None], target[None], epsilon, 20, size, start, PIXELS)
    torch.testing.assert_close(_raw(found[0]), expected, rtol=0, atol=1e-6)
    changed = (
        network(_normalised(expected)).argmax(1) != network(_normalised(raw)).argmax(1)
    ).sum()
    assert changed > 0, "the attack does something"


@pytest.mark.parametrize("epsilon", [0.05, 0.4])
def test_many_steps_reach_the_corner_where_a_linear_network_is_worst(epsilon):
    # Of two classes the margin is linear in the pixels: its least is at clip(x - epsilon s, 0, 1).
    torch.manual_seed(0)
    linear = nn.Linear(3 * 64, 2)
    raw, target = _images()
    target = target % 2
    module = SupervisedModule(nn.Sequential(nn.Flatten(), linear)).eval()
    slope = (linear.weight[1] - linear.weight[0]).detach().sign().view(3, 8, 8)
    towards = torch.where(target.bool()[:, None, None, None], -slope, slope)
    expected = (raw + epsilon * towards).clamp(0, 1)
    start = (2 * torch.rand_like(raw) - 1) * epsilon
    inputs = _normalised(raw)[None]
    found = pgd(networks_of(module), inputs, target[None], epsilon, 20, epsilon / 8, start, PIXELS)
    torch.testing.assert_close(_raw(found[0]), expected, rtol=0, atol=1e-6)


def test_a_confident_network_does_not_hide_its_gradient():
    raw, target = _images()
    inputs = _normalised(raw)
    network = _network()
    target = network(inputs).argmax(1)
    louder = copy.deepcopy(network)
    louder[-1].weight.data *= 1e4
    louder[-1].bias.data *= 1e4
    places = inputs.clone().requires_grad_()
    (plain,) = torch.autograd.grad(cross_entropy(louder(places), target, reduction="sum"), places)
    hidden = plain.flatten(1).abs().sum(1) == 0
    assert hidden.sum() > 20, "as cross-entropy rounds it"
    found = ascent(networks_of(SupervisedModule(louder).eval()), inputs[None], target[None])[0]
    assert bool((found[hidden].flatten(1).abs().sum(1) > 100).all())
    rivals = louder(places).scatter(1, target[:, None], -torch.inf).amax(1)  # the nearest class
    own = louder(places).gather(1, target[:, None])[:, 0]
    (margin,) = torch.autograd.grad((rivals - own).sum(), places)
    assert torch.equal(found[hidden], margin[hidden].sign())


def test_the_sign_is_that_of_cross_entropy():
    network, (raw, target) = _network().double(), _images()
    places = _normalised(raw.double()).requires_grad_()
    (plain,) = torch.autograd.grad(cross_entropy(network(places), target), places)
    found = ascent(networks_of(SupervisedModule(network).eval()), places[None], target[None])[0]
    assert torch.equal(found, plain.sign())


def test_networks_of_a_stack_are_attacked_each_alone():
    template, (raw, target) = SupervisedModule(_network()), _images(12)
    population = PopulationModule(template, [CrossEntropy() for _ in range(3)], ["CE"] * 3).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in population.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    inputs, start = _normalised(raw), 0.1 * (2 * torch.rand(raw.shape, generator=generator) - 1)
    networks = networks_of(population)
    settings = (0.1, 5, 0.03, start, PIXELS)
    with networks.evaluating():
        found = pgd(networks, networks.own(inputs), networks.own(target), *settings)
        right = classified(networks, found, networks.own(target))
    for index in range(3):
        alone = SupervisedModule(_network()).eval()
        alone.network.load_state_dict(population.state_of(index))
        expected = pgd(networks_of(alone), inputs[None], target[None], *settings)[0]
        same = (found[index] - expected).abs() < 1e-5
        assert same.float().mean() > 0.999, "but for gradients that round to either sign"
        assert torch.equal(right[index].bool(), alone(found[index]).argmax(1) == target)
    assert not torch.equal(found[0], found[1])


def test_evaluation_mode_is_for_a_while():
    module = SupervisedModule(_network())
    module.train()
    module.network[1].eval()
    with networks_of(module).evaluating():
        assert not any(part.training for part in module.modules())
    assert module.network[4].training
    assert not module.network[1].training


def test_networks_that_diverged_are_neither_right_nor_wrong():
    network, (raw, target) = _network(), _images()
    network[-1].bias.data[0] = torch.nan
    right = classified(networks_of(SupervisedModule(network).eval()), raw[None], target[None])
    assert bool(right.isnan().all())


def test_refuses():
    networks = networks_of(SupervisedModule(_network()).eval())
    raw, target = _images(4)
    with pytest.raises(ValueError, match=r"floating-point inputs for an attack.*int64"):
        fgsm(networks, raw.long()[None], target[None], 0.1, PIXELS)
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\] before they were normalised.*got -"):
        fgsm(networks, 5 * _normalised(raw)[None], target[None], 0.1, PIXELS)
    with pytest.raises(ValueError, match="1 or 3, got 2"):
        fgsm(networks, raw[None], target[None], 0.1, Normalisation((0.5, 0.5), (1.0, 1.0)))
    with pytest.raises(ValueError, match="class indices"):
        ascent(networks, raw[None], torch.zeros(1, 4, 5))
    one = networks_of(SupervisedModule(nn.Sequential(nn.Flatten(), nn.Linear(192, 1))))
    with pytest.raises(ValueError, match="at least 2 classes"):
        ascent(one, raw[None], torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match="one length, got 1 and 2"):
        Normalisation((0.5,), (1.0, 1.0))
