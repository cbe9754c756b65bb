import copy

import pytest
import sympy
import torch
from torch import nn
from torch.func import functional_call
from unrolled_toys import LOSSES, OPTIMIZERS, SGDS, make_episode, make_network, theta_of

from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.local_search.optimizers import UnrolledSGD
from lightning_lossmeta.local_search.unrolled import Episode, meta_gradient, meta_loss, trained
from lightning_lossmeta.losses import Identity, RegressionSquaredError


def _by_torch(episode, loss, optimizer):
    """The same training by PyTorch's own optimiser."""
    network = copy.deepcopy(episode.network)
    own = OPTIMIZERS[optimizer](network.parameters())
    for inputs, target in episode.batches:
        own.zero_grad()
        loss(network(inputs), target).backward()
        own.step()
    return network


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", LOSSES)
def test_trains_as_the_optimiser_of_pytorch_does(name, optimizer):
    episode, task_loss = make_episode(name, optimizer)
    loss = LOSSES[name]
    expected = _by_torch(episode, loss, optimizer)
    found, _ = trained(episode, loss, loss.theta)
    for key, value in expected.named_parameters():
        torch.testing.assert_close(found[key], value, rtol=1e-12, atol=1e-13)
    inputs, target = episode.batches[-1]
    value = meta_loss(episode, loss, loss.theta, task_loss)
    torch.testing.assert_close(value, task_loss(expected(inputs), target), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", LOSSES)
def test_meta_gradient_against_finite_differences(name, optimizer, steps):
    episode, task_loss = make_episode(name, optimizer, steps)
    loss = LOSSES[name]
    theta = theta_of(loss)
    found = meta_gradient(meta_loss(episode, loss, theta, task_loss), theta)
    expected = torch.empty_like(found)
    for index in range(len(theta)):
        away = torch.zeros_like(found)
        away[index] = 1e-5
        ahead, behind = (meta_loss(episode, loss, theta + s * away, task_loss) for s in (1, -1))
        expected[index] = (ahead - behind).detach() / 2e-5
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    assert found.abs().max() > 1e-4


def test_meta_gradient_by_hand():
    """One weight, one number: the slope written out by SymPy."""
    network = nn.Linear(1, 1, bias=False).double()
    x, y = torch.tensor([[1.7]]).double(), torch.tensor([[0.4]]).double()
    episode = Episode(network, {"weight": UnrolledSGD(0.1)}, [(x, y)] * 2)
    loss = ExpressionLoss("square(sub(f, y))", [1.3, 0.8, 1.1], link=Identity())
    theta = theta_of(loss)
    found = meta_gradient(meta_loss(episode, loss, theta, RegressionSquaredError()), theta)
    a, b, c, w = sympy.symbols("a b c w")
    end = w
    for _ in range(2):
        slope = sympy.diff((a * (b * w * 1.7 - c * 0.4)) ** 2, w)
        end = end - 0.1 * slope.subs(w, end)
    values = {a: 1.3, b: 0.8, c: 1.1, w: network.weight.item()}
    meta = (end * 1.7 - 0.4) ** 2
    expected = [float(sympy.diff(meta, symbol).subs(values)) for symbol in (a, b, c)]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
def test_units_that_are_off_leave_the_gradient_finite(optimizer):
    network = make_network(nn.ReLU())
    network[0].bias.data[:2] = -100.0
    episode, task_loss = make_episode(optimizer=optimizer, network=network)
    theta = theta_of(LOSSES["taylor"])
    found = meta_gradient(meta_loss(episode, LOSSES["taylor"], theta, task_loss), theta)
    assert found.isfinite().all()
    assert found.abs().max() > 1e-6


def test_running_statistics_are_copies_and_gradients_go_through_batch_norm():
    network = make_network(nn.BatchNorm1d(4), nn.Tanh())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    episode, task_loss = make_episode(optimizer="momentum", network=network, steps=2)
    loss = LOSSES["taylor"]
    _, buffers = trained(episode, loss, loss.theta)
    assert buffers["1.num_batches_tracked"] == 2
    assert not torch.equal(buffers["1.running_mean"], before["1.running_mean"])
    assert torch.autograd.gradcheck(
        lambda theta: meta_loss(episode, loss, theta, task_loss), theta_of(loss), atol=1e-7
    )
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_is_frozen_or_takes_no_part_stays():
    class Spare(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.spare = make_network(), nn.Linear(2, 2).double()
            self.body[0].weight.requires_grad_(False)

        def forward(self, inputs):
            return self.body(inputs)

    network = Spare()
    episode, _ = make_episode(optimizer="dampening", network=network)
    assert "body.0.weight" not in episode.rules
    assert "spare.weight" in episode.rules
    found, _ = trained(episode, LOSSES["taylor"], theta_of(LOSSES["taylor"]))
    start = dict(network.named_parameters())
    changed = {name for name in found if not torch.equal(found[name], start[name])}
    assert changed == {"body.0.bias", "body.2.weight", "body.2.bias"}


def test_parameters_without_effect_have_no_slope():
    loss = ExpressionLoss("sign(sub(f, y))", [1.0, 1.0, 1.0])
    episode, task_loss = make_episode(optimizer="plain")
    theta = theta_of(loss)
    assert meta_gradient(meta_loss(episode, loss, theta, task_loss), theta).tolist() == [0.0] * 3


@pytest.mark.parametrize("optimizer", SGDS)
def test_agrees_with_torchopt(optimizer):
    torchopt = pytest.importorskip("torchopt")
    episode, task_loss = make_episode("expression", optimizer)
    loss, settings = LOSSES["expression"], SGDS[optimizer].keywords
    theta = theta_of(loss)
    expected = meta_gradient(meta_loss(episode, loss, theta, task_loss), theta)
    network = copy.deepcopy(episode.network)
    own = torchopt.MetaSGD(network, **settings)
    for inputs, target in episode.batches:
        own.step(functional_call(loss, {"theta": theta}, (network(inputs), target)))
    inputs, target = episode.batches[-1]
    found = meta_gradient(task_loss(network(inputs), target), theta)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
