"""A few training steps as a function of a loss's parameters theta (unrolled differentiation)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lightning_lossmeta.local_search.optimizers import State, UpdateRule
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules.supervised import Batch


@dataclass(frozen=True)
class Episode:
    """A short training: where it begins, how it steps and on which batches.

    Args:
        network: The network with its initial weights w_0, which stay as they are.
        rules: The update rules of parameters by name; parameters without a rule stay.
        batches: The batches, one a step.
        seed: Fixes what is random in the network, e.g. dropout.
        progress: The share of a training, in [0, 1], that counts as done for a loss that changes in
            the course of a training.
    """

    network: nn.Module
    rules: Mapping[str, UpdateRule]
    batches: Sequence[Batch]
    seed: int = 0
    progress: float = 0.0


def trained(
    episode: Episode, loss: LossFunction, theta: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Train for an episode, with weights that are differentiable in the loss's theta.

    With M the loss, and U what the optimiser makes of a gradient ::

        w_{t+1} = w_t - U(dM(f(x_t; w_t), y_t; theta) / dw_t),   t = 0, 1, ...

    Args:
        episode: The short training.
        loss: Any loss with a buffer ``theta``, whose value is not used.
        theta: Takes the buffer's place.

    Returns:
        The network's parameters and buffers at the end, each by name; buffers, e.g. running
        statistics, are updated copies.
    """
    network = episode.network
    parameters = {
        name: value.detach().requires_grad_(name in episode.rules)
        for name, value in network.named_parameters()
    }
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    states: dict[str, State] = dict.fromkeys(episode.rules, ())
    for inputs, target in episode.batches:
        output = functional_call(network, (parameters, buffers), (inputs,))
        value = functional_call(loss, {"theta": theta}, (output, target))
        names = list(episode.rules)
        old = [parameters[name] for name in names]
        gradients = torch.autograd.grad(value, old, create_graph=True, allow_unused=True)
        for name, parameter, gradient in zip(names, old, gradients, strict=True):
            if gradient is not None:  # as optimisers do, what took no part stays as it is
                rule = episode.rules[name]
                parameters[name], states[name] = rule.step(parameter, gradient, states[name])
    return parameters, buffers


def meta_loss(
    episode: Episode, loss: LossFunction, theta: Tensor, task_loss: LossFunction
) -> Tensor:
    """The task loss of an episode's trained network, on the batch of its last step.

    Args:
        episode: The short training.
        loss: The loss that the episode trains with.
        theta: The loss's parameters; the result is differentiable in them.
        task_loss: What the trained network is judged by, e.g. cross-entropy.

    Returns:
        A tensor of shape ().

    Source: Raymond et al. (2024), algorithm 1 and eqs. 5 and 7, where the batch of the task loss is
    that of the last step.
    """
    inputs, target = episode.batches[-1]
    state = trained(episode, loss, theta)
    return task_loss(functional_call(episode.network, state, (inputs,)), target)  # type: ignore[no-any-return]


def meta_gradient(value: Tensor, theta: Tensor) -> Tensor:
    """The gradient of a meta-loss in theta; zero for entries that it does not depend on."""
    if not value.requires_grad:
        return torch.zeros_like(theta)
    (gradient,) = torch.autograd.grad(value, theta, allow_unused=True, materialize_grads=True)
    return gradient
