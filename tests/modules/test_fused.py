"""A fused step is the same step."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from lightning_lossmeta import SupervisedModule
from lightning_lossmeta.modules.fused import fuse
from lightning_lossmeta.modules.supervised import configure

OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": partial(torch.optim.Adam, lr=0.1, weight_decay=0.01),
    "amsgrad": partial(torch.optim.Adam, lr=0.1, amsgrad=True),
    "adamw": partial(torch.optim.AdamW, lr=0.1),
}


def _network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()


def _optimizer(make, network=None):
    network = network or _network()
    optimizer = make(network.parameters())
    fuse(optimizer, network)
    return optimizer


def _is_fused(optimizer):
    return [group["fused"] for group in optimizer.param_groups] == [True]


def _assert_equal(weights, expected):
    for own, other in zip(weights, expected, strict=True):
        assert torch.equal(own, other)


def _trained(network, optimizer, steps=6, late=()):
    """Parameters after some steps; those at places ``late`` have no gradient at first."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        for place, parameter in enumerate(network.parameters()):
            gradient = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.grad = None if place in late and step < 2 else gradient
        optimizer.step()
    return [parameter.detach().clone() for parameter in network.parameters()]


@pytest.mark.parametrize("late", [(), (0,), (1, 2)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_weights_as_pytorchs_plain_loop(name, late):
    plain, fused = _network(), _network()
    optimizer = _optimizer(OPTIMIZERS[name], fused)
    assert not _is_fused(optimizer)  # its description is that of the one that was asked for
    expected = _trained(
        plain, partial(OPTIMIZERS[name], foreach=False)(plain.parameters()), 6, late
    )
    found = _trained(fused, optimizer, 6, late)
    assert _is_fused(optimizer)
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        partial(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.5),
        partial(torch.optim.SGD, lr=0.1, fused=False),
        partial(torch.optim.SGD, lr=0.1, foreach=True),
        partial(torch.optim.SGD, lr=0.1, foreach=False),
        partial(torch.optim.SGD, lr=torch.tensor(0.1)),
        partial(torch.optim.RMSprop, lr=0.1),
    ],
)
def test_who_chose_otherwise_or_can_not_is_left_alone(make):
    network, other = _network(), _network()
    optimizer, untouched = _optimizer(make, network), make(other.parameters())
    expected = _trained(other, untouched)
    _assert_equal(_trained(network, optimizer), expected)
    settings = [dict(o.param_groups[0], params=()) for o in (optimizer, untouched)]
    assert settings[0] == settings[1]


def test_a_subclass_may_do_anything_in_its_step():
    class Own(torch.optim.SGD):
        pass

    network = _network()
    optimizer = _optimizer(partial(Own, lr=0.1), network)
    _trained(network, optimizer)
    assert not _is_fused(optimizer)


def test_sparse_gradients_have_no_fused_step():
    network = nn.Sequential(nn.Embedding(4, 3, sparse=True), nn.Linear(3, 2))
    optimizer = _optimizer(partial(torch.optim.SGD, lr=0.1), network)
    network(torch.tensor([0, 2])).sum().backward()
    optimizer.step()
    assert not _is_fused(optimizer)


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_module_configures_its_optimiser_so(scheduled):
    schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=1) if scheduled else None
    module = SupervisedModule(_network(), None, OPTIMIZERS["momentum"], schedule)
    found = configure(module.parameters(), module)
    optimizer = found["optimizer"] if scheduled else found
    _trained(module.network, optimizer)
    assert _is_fused(optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_checkpoint_goes_on_where_it_was(name):
    whole, copy = _network(), _network()
    optimizer = _optimizer(OPTIMIZERS[name], whole)
    _trained(whole, optimizer)
    copy.load_state_dict(whole.state_dict())
    again = _optimizer(OPTIMIZERS[name], copy)
    again.load_state_dict(deepcopy(optimizer.state_dict()))
    expected = _trained(whole, optimizer)
    _assert_equal(_trained(copy, again), expected)


def test_the_state_of_a_fresh_one_can_be_shared():
    first, second = _network(), _network()
    one, other = (_optimizer(OPTIMIZERS["nesterov"], network) for network in (first, second))
    other.load_state_dict(one.state_dict())
    expected = _trained(first, one)
    _assert_equal(_trained(second, other), expected)


@pytest.mark.parametrize("name", ["nesterov", "adam"])
def test_a_checkpoint_of_one_that_was_not_fused_stays_so(name):
    plain, copy = _network(), _network()
    before = OPTIMIZERS[name](plain.parameters())
    _trained(plain, before)
    copy.load_state_dict(plain.state_dict())
    again = _optimizer(OPTIMIZERS[name], copy)
    again.load_state_dict(deepcopy(before.state_dict()))
    expected = _trained(plain, before)
    _assert_equal(_trained(copy, again), expected)
    assert not _is_fused(again)
