from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD
from unrolled_toys import LOSSES, SGDS, make_episode, theta_of

from lightning_lossmeta.families.expression.loss import ExpressionLoss
from lightning_lossmeta.families.taylor import TaylorLoss
from lightning_lossmeta.local_search.linear import LinearEpisode, linear_obstacle
from lightning_lossmeta.local_search.optimizers import UnrolledSGD, update_rules
from lightning_lossmeta.local_search.shared import loss_slopes, task_slopes
from lightning_lossmeta.local_search.unrolled import Episode, meta_gradient, meta_loss, trained
from lightning_lossmeta.losses import CrossEntropy, Identity, RegressionSquaredError
from lightning_lossmeta.models import MLP, LeNet5, LogisticRegression

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def _frozen(*names):
    network = MLP(3, [5, 4], 3)
    for name in names:
        network.get_parameter(name).requires_grad_(False)
    return network


NETWORKS = {
    "logistic": lambda: LogisticRegression(3, 3),
    "one layer": lambda: nn.Linear(3, 3, bias=False),
    "wide": lambda: MLP(3, [40, 50, 30], 3),
    "narrow": lambda: MLP(3, [3, 2], 3),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.3), *MLP(3, [30, 30], 3, dropout=0.5)),
    "no bias": lambda: nn.Sequential(
        nn.Linear(3, 40, bias=False),
        nn.Sequential(nn.Tanh(), nn.Identity()),
        nn.Linear(40, 20, bias=False),
        nn.ELU(inplace=True),
        nn.Linear(20, 3, bias=False),
        nn.Softplus(),
    ),
    "first frozen": lambda: _frozen("1.weight", "1.bias"),
    "middle frozen": lambda: _frozen("3.weight", "3.bias"),
    "last frozen": lambda: _frozen("5.weight", "5.bias"),
    "weights frozen": lambda: _frozen("1.weight", "5.weight"),
    "biases frozen": lambda: _frozen("1.bias", "3.bias"),
}


def _made(name, loss="taylor", optimizer="plain"):
    torch.manual_seed(0)
    return make_episode(loss, optimizer, 1, NETWORKS[name]().double())


def _drawn(loss, count=3):
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(count, len(loss.theta), generator=generator, dtype=torch.float64)
    return (loss.theta + 0.1 * noise).requires_grad_()


def _shared(episode, loss, thetas, task_loss):
    torch.manual_seed(5)
    linear = LinearEpisode(episode)
    slopes = loss_slopes(linear, loss, thetas)
    values, found = task_slopes(linear, slopes, task_loss)
    return values, torch.autograd.grad(slopes, thetas, found)[0]


def _agrees(episode, loss, task_loss, count=3):
    assert linear_obstacle(episode) is None
    thetas = _drawn(loss, count)
    values, slopes = _shared(episode, loss, thetas, task_loss)
    for row, value, slope in zip(thetas.detach(), values, slopes, strict=True):
        theta = row.clone().requires_grad_()
        torch.manual_seed(5)
        expected = meta_loss(episode, loss, theta, task_loss)
        torch.testing.assert_close(value, expected.detach(), **TIGHT)
        torch.testing.assert_close(slope, meta_gradient(expected, theta), **TIGHT)
    assert slopes.abs().max() > 1e-6


@pytest.mark.parametrize("optimizer", SGDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_agrees_with_the_double_backward(network, optimizer):
    episode, task_loss = _made(network, optimizer=optimizer)
    _agrees(episode, LOSSES["taylor"], task_loss)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("network", ["wide", "narrow"])
@pytest.mark.parametrize("loss", LOSSES)
def test_agrees_for_all_losses(loss, network, count):
    episode, task_loss = _made(network, loss, "nesterov")
    _agrees(episode, LOSSES[loss], task_loss, count)


@pytest.mark.parametrize("outputs", [1, 2, 10, 30])
def test_agrees_for_any_number_of_outputs(outputs):
    torch.manual_seed(1)
    network = MLP(4, [12], outputs).double()
    x = torch.randn(7, 2, 2, dtype=torch.float64)
    rules = update_rules(SGD(network.parameters(), lr=0.3), dict(network.named_parameters()))
    if outputs == 1:
        loss, task_loss = LOSSES["regression"], RegressionSquaredError()
        target = torch.randn(7, 1, dtype=torch.float64)
    else:
        loss, task_loss = TaylorLoss([0.1, -0.2, 0.3, -1, 0.2, 2, 0.1, -0.3]), CrossEntropy()
        target = torch.randint(outputs, (7,))
    _agrees(Episode(network, rules, [(x, target)]), loss, task_loss)


def test_groups_with_settings_of_their_own():
    def groups(parameters):
        own = list(parameters)
        settings = [
            {"lr": 0.5, "weight_decay": 0.3},
            {"momentum": 0.9, "nesterov": True},
            {"lr": 0.0},
            {"weight_decay": 0.2},
        ]
        return SGD([{"params": [p], **s} for p, s in zip(own, settings, strict=False)], lr=0.2)

    torch.manual_seed(0)
    episode, task_loss = make_episode("taylor", groups, 1, NETWORKS["wide"]().double())
    assert len(set(episode.rules.values())) == 4
    _agrees(episode, LOSSES["taylor"], task_loss)


@pytest.mark.parametrize("loss", ["taylor", "regression"])
@pytest.mark.parametrize("network", ["wide", "narrow", "no bias"])
def test_against_finite_differences(network, loss):
    episode, task_loss = _made(network, loss, "nesterov")
    thetas = theta_of(LOSSES[loss])[None].detach().requires_grad_()
    _, found = _shared(episode, LOSSES[loss], thetas, task_loss)
    for index in range(thetas.shape[1]):
        away = torch.zeros_like(thetas)
        away[0, index] = 1e-5
        ahead, behind = (
            _shared(episode, LOSSES[loss], thetas + s * away, task_loss)[0] for s in (1, -1)
        )
        torch.testing.assert_close(found[:, index], (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-8)


def test_by_hand():
    """One weight: w_1 = w - 2 a t (t w x - y) x, with M = (t f - y)^2."""
    network = nn.Linear(1, 1, bias=False).double()
    network.weight.data.fill_(0.7)
    x, y = (torch.tensor([[v]], dtype=torch.float64) for v in (1.5, 0.4))
    loss = ExpressionLoss("square(sub(f, y))", [1.0, 1.0, 1.0], link=Identity())
    theta = torch.tensor([[1.0, 1.2, 1.0]], dtype=torch.float64, requires_grad=True)
    episode = Episode(network, {"weight": UnrolledSGD(0.1)}, [(x, y)])
    value, _ = _shared(episode, loss, theta, RegressionSquaredError())
    end = 0.7 - 0.1 * 2 * 1.2 * (1.2 * 0.7 * 1.5 - 0.4) * 1.5
    assert value.item() == pytest.approx((end * 1.5 - 0.4) ** 2, rel=1e-12)


@pytest.mark.parametrize("outputs", [1, 3, 10])
def test_digits_do_not_depend_on_who_is_beside(outputs):
    torch.manual_seed(0)
    network = MLP(10, [100, 80], outputs)
    rules = update_rules(SGD(network.parameters(), lr=0.3), dict(network.named_parameters()))
    episode = Episode(network, rules, [(torch.randn(64, 10), torch.randint(3, (64,)))])
    linear, slopes = LinearEpisode(episode), torch.randn(5, 64, outputs)
    together = linear.trained_outputs(slopes)
    for index in range(5):
        assert torch.equal(linear.trained_outputs(slopes[index : index + 1])[0], together[index])


def test_a_loss_that_explodes_leaves_the_others():
    episode, task_loss = _made("wide")
    slopes = torch.randn(3, 6, 3, dtype=torch.float64)
    expected, _ = task_slopes(LinearEpisode(episode), slopes, task_loss)
    slopes[1] = torch.inf
    values, found = task_slopes(LinearEpisode(episode), slopes, task_loss)
    assert (
        values.isfinite().tolist() == found.isfinite().all(2).all(1).tolist() == [True, False, True]
    )
    assert torch.equal(values[[0, 2]], expected[[0, 2]])


def test_weights_are_left_as_they_are():
    episode, task_loss = _made("dropout")
    before = {name: value.clone() for name, value in episode.network.state_dict().items()}
    _shared(episode, LOSSES["taylor"], _drawn(LOSSES["taylor"]), task_loss)
    for name, value in episode.network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("optimizer", SGDS)
def test_first_step(optimizer):
    network = nn.Linear(3, 3).double()
    episode, _ = make_episode("taylor", optimizer, 1, network)
    loss = LOSSES["taylor"]
    found, _ = trained(episode, loss, loss.theta)
    inputs, target = episode.batches[0]
    (gradient,) = torch.autograd.grad(loss(network(inputs), target), network.weight)
    shrink, length = episode.rules["weight"].first_step
    torch.testing.assert_close(found["weight"], shrink * network.weight - length * gradient)


class _Own(nn.Sequential):
    def forward(self, inputs):
        return super().forward(inputs - inputs.mean(dim=0))


def _hooked():
    network = MLP(3, [4], 3)
    network[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    return network


def _tied():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    return network


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(3, [4], 3, batch_norm=True), "BatchNorm1d is not known"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Softmax(0)), "Softmax is not known"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.PReLU()), "PReLU is not known"),
        (lambda: _Own(nn.Linear(3, 3)), "_Own is not known"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "ParametrizedLinear is"),
        (_hooked, "Linear has hooks"),
        (_tied, "layers share parameters"),
        (lambda: LeNet5(3), "Conv2d is not known"),
    ],
)
def test_other_networks_are_refused(make, message):
    episode, _ = make_episode("taylor", "plain", 1, make().double())
    assert message in linear_obstacle(episode)


def test_other_episodes_are_refused():
    assert linear_obstacle(make_episode(steps=2)[0]) == "it has several steps."
    assert (
        linear_obstacle(make_episode(optimizer="adam", steps=1)[0]) == "its optimiser is not SGD."
    )
    resting = make_episode(optimizer=partial(SGD, lr=0.0), steps=1)[0]
    assert linear_obstacle(resting) == "nothing is trained."
    episode, _ = make_episode(steps=1)
    (inputs, target) = episode.batches[0]
    tokens = Episode(episode.network, episode.rules, [(inputs[:, None], target)])
    assert linear_obstacle(tokens) == "inputs of shape (6, 1, 3) are not flattened."
    single = Episode(episode.network, episode.rules, [(inputs.float(), target)])
    assert "differ in dtype" in linear_obstacle(single)
