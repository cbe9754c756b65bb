"""Steps of optimisers that can be differentiated with respect to the gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: What a rule keeps of one parameter from step to step; empty before the first.
State = tuple[Any, ...]


@dataclass(frozen=True)
class UpdateRule(ABC):
    """An optimiser's step on one parameter, out of place and differentiable in the gradient.

    Args:
        lr: The learning rate.
    """

    lr: float

    @abstractmethod
    def step(self, parameter: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the parameter after a step, and the state that the next step takes."""


@dataclass(frozen=True)
class UnrolledSGD(UpdateRule):
    """``torch.optim.SGD``; the arguments are its own.

    With g the gradient, b the buffer (which begins as the first g) ::

        g <- g + weight_decay p,   b <- momentum b + (1 - dampening) g,   p <- p - lr b
        nesterov:   p <- p - lr (g + momentum b)
    """

    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    @property
    def first_step(self) -> tuple[float, float]:
        """The numbers s and a of a parameter's first step, p <- s p - a g, with g its gradient."""
        length = self.lr * (1 + self.momentum if self.nesterov else 1)
        return 1 - length * self.weight_decay, length

    def step(self, parameter: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step of SGD."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        if not self.momentum:
            return parameter - self.lr * gradient, ()
        buffer = gradient
        if state:
            buffer = self.momentum * state[0] + (1 - self.dampening) * gradient
        direction = gradient + self.momentum * buffer if self.nesterov else buffer
        return parameter - self.lr * direction, (buffer,)


@dataclass(frozen=True)
class UnrolledAdam(UpdateRule):
    """``torch.optim.Adam`` and ``AdamW`` without ``amsgrad``; the arguments are their own.

    The root of the second moment has the slope 0 at 0, where its own is infinite: units that are
    off have a gradient of exactly 0 whatever the loss, and it stays so.

    Args:
        lr: The learning rate.
        betas: Decay of the two moments from step to step.
        eps: Added to the root of the second moment.
        weight_decay: How strongly the parameter is pulled to zero.
        decoupled: Whether weight decay acts on the parameter directly, as in AdamW.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def step(self, parameter: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step of Adam or AdamW."""
        if self.weight_decay and self.decoupled:
            parameter = parameter * (1 - self.lr * self.weight_decay)
        elif self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        first, second, count = state or (0.0, 0.0, 0)
        count += 1
        first = self.betas[0] * first + (1 - self.betas[0]) * gradient
        second = self.betas[1] * second + (1 - self.betas[1]) * gradient.square()
        root = _root(second) / (1 - self.betas[1] ** count) ** 0.5
        length = self.lr / (1 - self.betas[0] ** count)
        return parameter - length * first / (root + self.eps), (first, second, count)


def update_rules(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, UpdateRule]:
    """Read out of an optimiser how it will update each of its parameters.

    Args:
        optimizer: A fresh ``SGD``, ``Adam`` or ``AdamW``.
        parameters: Parameters by name; those that the optimiser does not have, or that need no
            gradient, get no rule.

    Raises:
        TypeError: If the optimiser is another one, or has an option that is not unrolled.
    """
    kind = type(optimizer)
    read = _READERS.get(kind)
    if read is None:
        known = ", ".join(item.__name__ for item in _READERS)
        raise TypeError(f"{kind.__name__} can't be unrolled; known are {known}.")
    rules: dict[int, UpdateRule] = {}
    for group in optimizer.param_groups:
        for option in ("amsgrad", "maximize"):
            if group.get(option):
                raise TypeError(f"{kind.__name__} can't be unrolled with `{option}`; leave it out.")
        rules |= dict.fromkeys(map(id, group["params"]), read(group))
    return {
        name: rules[id(parameter)]
        for name, parameter in parameters.items()
        if parameter.requires_grad and id(parameter) in rules
    }


def _read_sgd(group: dict[str, Any]) -> UnrolledSGD:
    numbers = [float(group[name]) for name in ("lr", "momentum", "dampening", "weight_decay")]
    lr, momentum, dampening, decay = numbers
    return UnrolledSGD(lr, momentum, dampening, decay, bool(group["nesterov"]))


def _read_adam(group: dict[str, Any]) -> UnrolledAdam:
    betas = (float(group["betas"][0]), float(group["betas"][1]))
    decay = float(group["weight_decay"])
    decoupled = bool(group.get("decoupled_weight_decay", False))
    return UnrolledAdam(float(group["lr"]), betas, float(group["eps"]), decay, decoupled)


def _read_adamw(group: dict[str, Any]) -> UnrolledAdam:
    return _read_adam({**group, "decoupled_weight_decay": True})


_READERS: dict[type[torch.optim.Optimizer], Callable[[dict[str, Any]], UpdateRule]] = {
    torch.optim.SGD: _read_sgd,
    torch.optim.Adam: _read_adam,
    torch.optim.AdamW: _read_adamw,
}


def _root(a: Tensor) -> Tensor:
    """The square root, whose derivative at 0 is taken to be 0 instead of infinite."""
    positive = a > 0
    return torch.where(positive, torch.where(positive, a, 1).sqrt(), 0)
