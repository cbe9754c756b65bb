import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import (
    NetworkFamily,
    NetworkLoss,
    NetworkSpace,
)
from lightning_lossmeta.losses import CrossEntropy, Identity, Softmax
from lightning_lossmeta.modules import StackedLosses

SHAPES = [(50, 50), (1,), (7,), (4, 3, 5)]
LINKS = {"classification": Softmax(), "regression": Identity()}


def _by_torch(hidden, theta):
    """The same network out of PyTorch's layers."""
    widths = [2, *hidden]
    modules = []
    for before, after in zip(widths, hidden, strict=False):
        modules += [nn.Linear(before, after), nn.ReLU()]
    network = nn.Sequential(*modules, nn.Linear(widths[-1], 1), nn.Softplus(threshold=40)).double()
    vector_to_parameters(torch.tensor(theta, dtype=torch.float64), network.parameters())
    return network


def _theta(hidden, seed=0, scale=0.5):
    count = NetworkFamily(hidden).space.dimension
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(count, generator=generator, dtype=torch.float64)).tolist()


def _numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _value_and_slopes(function, output, theta):
    output = output.clone().requires_grad_()
    value = function(output)
    return value, *torch.autograd.grad(value.square().sum(), [output, *theta])


@pytest.mark.parametrize("hidden", SHAPES)
@pytest.mark.parametrize("task", LINKS)
def test_equals_the_layers_of_pytorch(hidden, task):
    theta = _theta(hidden)
    network = _by_torch(hidden, theta)
    output = 2 * _numbers(6, 4)
    labels = torch.arange(6) % 4
    onehot = nn.functional.one_hot(labels, 4).double()
    target = labels if task == "classification" else _numbers(6, 4, seed=1)

    def reference(z):
        f = z.softmax(1) if task == "classification" else z
        y = onehot if task == "classification" else target
        pairs = torch.stack([f.flatten(), y.flatten()], dim=1)
        return network(pairs).view(6, 4).mean(1)

    loss = NetworkLoss(theta, hidden, link=LINKS[task])
    loss.theta.requires_grad_()
    expected = _value_and_slopes(reference, output, list(network.parameters()))
    found = _value_and_slopes(lambda z: loss.per_sample(z, target), output, [loss.theta])
    for one, other in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    slope = parameters_to_vector(expected[2:])
    torch.testing.assert_close(found[2], slope, rtol=1e-11, atol=1e-13)
    assert slope.abs().max() > 1e-3


def test_counts_of_weights():
    assert NetworkFamily().space.dimension == 2 * 50 + 50 + 50 * 50 + 50 + 50 + 1 == 2751
    assert NetworkFamily([1]).space.dimension == 5


@pytest.mark.parametrize("hidden", SHAPES)
def test_starts_are_those_of_linear_layers(hidden):
    for seed in (0, 1, 2**63 - 1):
        torch.manual_seed(seed)
        layers = [nn.Linear(i, o, dtype=torch.float64) for i, o in zip((2, *hidden), hidden)]  # noqa: B905
        layers.append(nn.Linear(hidden[-1], 1, dtype=torch.float64))
        expected = parameters_to_vector(nn.Sequential(*layers).parameters())
        before = torch.get_rng_state()
        found = torch.tensor(NetworkFamily(hidden).space.draw(seed), dtype=torch.float64)
        assert torch.equal(torch.get_rng_state(), before)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_draws_are_plain_and_each_its_own():
    space = NetworkFamily().space
    assert isinstance(space, NetworkSpace)
    assert space.draw(1) == space.draw(1) != space.draw(2)
    assert all(type(value) is float for value in space.draw(1))
    assert space.start == space.draw(0)


@pytest.mark.parametrize("task", LINKS)
def test_artefact_and_pickle_keep_every_bit(task, tmp_path):
    family = NetworkFamily(problem=task)
    candidate = Candidate(None, (*family.space.draw(3)[:-3], 1e-300, math.pi, -1 / 3))
    Artifact(family, candidate).save(tmp_path / "loss.json")
    read = Artifact.load(tmp_path / "loss.json")
    assert read.candidate == candidate
    assert read.family == family
    assert torch.equal(read.build().theta, family.build(candidate).theta)
    loss = pickle.loads(pickle.dumps(family.build(candidate))).half().float()
    assert family.read(loss) == candidate


@pytest.mark.parametrize("hidden", [[10**9], [450, 450], [10**5] * 10**5])
def test_an_artefact_can_not_ask_for_a_huge_network(hidden):
    text = Artifact(NetworkFamily([1]), Candidate(None, (0.1,) * 5)).to_json()
    one = '"hidden": [\n        1\n      ]'
    assert one in text
    with pytest.raises(ArtifactError, match="its family 'network' can't be made"):
        Artifact.from_json(text.replace(one, f'"hidden": {hidden}'))


@pytest.mark.parametrize("task", LINKS)
def test_different_losses_stack(task):
    family = NetworkFamily([5, 4], task)
    losses = [family.build(Candidate(None, family.space.draw(seed))) for seed in range(3)]
    output, target = _numbers(3, 6, 4), torch.arange(6) % 4
    target = target if task == "classification" else _numbers(6, 4, seed=1)
    found = StackedLosses(losses, ["same"] * 3)(output, target)
    expected = torch.stack([loss(z, target) for loss, z in zip(losses, output, strict=True)])
    torch.testing.assert_close(found, expected)


def test_soft_targets_are_seen_by_the_network():
    loss = NetworkLoss(_theta((7,)), [7])
    logits, soft = _numbers(5, 3), _numbers(5, 3, seed=1).softmax(1)
    pairs = torch.stack([logits.softmax(1), soft], dim=-1)
    expected = _by_torch((7,), loss.theta.tolist())(pairs).squeeze(-1).mean(1)
    torch.testing.assert_close(loss.per_sample(logits, soft), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_weights_and_outputs(dtype):
    for size in (1e4, -1e4):
        loss = NetworkLoss([1.0, 1.0, 0.0, 1.0, size], [1], link=Identity())
        output = torch.tensor([[1e4], [-1e4]], dtype=dtype, requires_grad=True)
        value = loss(output, torch.zeros(2, 1, dtype=dtype))
        (slope,) = torch.autograd.grad(value, output)
        assert value.isfinite()
        assert value >= 0
        assert slope.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden": []}, "`hidden` to be a list of at least one positive integer"),
        ({"hidden": [0]}, r"`hidden` to be .* got \[0\]"),
        ({"hidden": [5, -5]}, "`hidden`"),
        ({"hidden": [True]}, "`hidden`"),
        ({"hidden": [2.0]}, "`hidden`"),
        ({"hidden": 50}, "`hidden` to be .* got 50"),
        ({"hidden": "50"}, "`hidden`"),
        ({"hidden": None}, "`hidden`"),
        ({"hidden": [10**6]}, "at most 200000 weights"),
        (
            {"problem": "ranking"},
            r"`problem` to be one of \['classification', 'binary', 'regression'\]",
        ),
        ({"problem": ["regression"]}, "`problem`"),
    ],
)
def test_family_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        NetworkFamily(**arguments)


def test_candidates_of_other_families_are_refused():
    family = NetworkFamily([3])
    theta = family.space.start
    with pytest.raises(ValueError, match="`structure` of a network candidate to be None"):
        family.build(Candidate("add", theta))
    with pytest.raises(ValueError, match="`theta` to have 13 entries for a network 2-3-1, got 8"):
        family.build(Candidate(None, (0.0,) * 8))
    with pytest.raises(ValueError, match="`theta` to be finite"):
        family.build(Candidate(None, (*theta[:-1], math.nan)))
    with pytest.raises(ValueError, match=r"NetworkLoss for .*, got CrossEntropy"):
        family.read(CrossEntropy())
    with pytest.raises(ValueError, match=r"'classification', got NetworkLoss for .*'regression'"):
        family.read(NetworkFamily([3], "regression").build(Candidate(None, theta)))


def test_formulas():
    shaped = NetworkFamily([7], "regression")
    assert shaped.formula(Candidate(None, shaped.space.start)) == "mean[ network(f, y), 2-7-1 ]"
