"""One SGD step of a network of linear layers, as a function of the loss's slope at its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from lightning_lossmeta.local_search.optimizers import UnrolledSGD, UpdateRule
from lightning_lossmeta.local_search.unrolled import Episode

#: Functions of one number, applied to each; those that draw nothing and keep nothing.
_ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Tanh, nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Tanhshrink),
    *(nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Hardshrink, nn.Softshrink),
)


@dataclass(frozen=True)
class LinearStep:
    """One SGD step of a linear layer: p_1 = shrink p_0 - length (slope), for weight and bias.

    Args:
        layer: The layer with its initial parameters, which stay as they are.
        weight: The weight's (shrink, length); (1, 0) if it is not trained.
        bias: The bias's (shrink, length).
    """

    layer: nn.Linear
    weight: tuple[float, float]
    bias: tuple[float, float]

    @property
    def trains(self) -> bool:
        """Whether the step changes any of the layer's parameters."""
        return (self.weight, self.bias) != ((1.0, 0.0), (1.0, 0.0))

    def trained(self, inputs: Tensor, first_inputs: Tensor, slope: Tensor) -> Tensor:
        """Compute the outputs of the layer after its step.

        With x the inputs, X those at w_0, D the slope and (s, a) = (shrink, length), either of ::

            s_W x W_0' + s_b b_0 - (a_W x X' + a_b) D
            x (s_W W_0 - a_W D'X)' + s_b b_0 - a_b sum_b D

        which are equal, whichever takes fewer multiplications, forward and backward.

        Args:
            inputs: x, (B, in), or (C, B, in) where each candidate has its own.
            first_inputs: X, (B, in).
            slope: D, the slope of the loss M in the layer's outputs at w_0, (C, B, out).

        Returns:
            (C, B, out); (B, out) where the layer is not trained and inputs are shared.
        """
        weight = _scaled(self.layer.weight.detach(), self.weight[0])
        bias = None
        if self.layer.bias is not None:
            bias = _scaled(self.layer.bias.detach(), self.bias[0])
        if not self.trains or self._by_gram(inputs.ndim == 2, len(first_inputs)):
            start = _side_by_side(inputs, weight.mT)
            start = start if bias is None else start + bias
            if not self.trains:
                return start
            gram = _scaled(_side_by_side(inputs, first_inputs.mT), self.weight[1]) + self.bias[1]
            return torch.baddbmm(_stack(start, slope), _stack(gram, slope), slope, alpha=-1)
        change = _product(slope.mT, _stack(first_inputs, slope))
        weights = torch.add(weight, change, alpha=-self.weight[1])
        outputs = _product(_stack(inputs, slope), weights.mT)
        if bias is None:
            return outputs
        return outputs + torch.add(bias, slope.sum(dim=1, keepdim=True), alpha=-self.bias[1])

    def _by_gram(self, shared: bool, samples: int) -> bool:
        width, height = self.layer.in_features, self.layer.out_features
        if shared:
            return samples < 2 * width
        return samples * (2 * width + 3 * height) < 3 * width * height


class LinearEpisode:
    """The pass through the initial weights w_0, which all candidates of an episode share.

    It is for episodes of one step of SGD. What the network draws, e.g. in dropout, it draws from
    the global generator.

    With f the outputs at w_0, a candidate's loss M enters by u = dM/df alone. Then w_1
    is w_0 less a multiple of J'u, J = df/dw_0; in a linear layer J'u is of rank B, and its factors
    are the inputs X, and the slope in the outputs, ::

        D = sum_k u_k df_k/d(outputs),   dM/dW = D'X,   dM/db = sum_b D

    so that no weights but W_0 are multiplied by, and no derivative is taken twice but that of M.

    Args:
        episode: One that :func:`linear_obstacle` has nothing against.
    """

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self._names = {id(p): name for name, p in episode.network.named_parameters()}
        self._parts: list[LinearStep | nn.Module] = [
            self._step(part) if isinstance(part, nn.Linear) else part
            for part in _parts(episode.network)
        ]
        self._first: dict[int, Tensor] = {}  # inputs of linear layers at w_0, by place
        self._slopes: dict[int, Tensor] = {}  # of elementwise functions at w_0, by place
        self.outputs = self._forward(self._inputs)
        self._masks = {  # of dropout at w_1; all draw the same
            place: part(torch.ones_like(self._slopes[place]))
            for place, part in enumerate(self._parts)
            if isinstance(part, nn.Dropout)
        }

    @property
    def width(self) -> int:
        """How many activations one candidate's pass holds for each sample."""
        return sum(part.layer.out_features for part in self._parts if isinstance(part, LinearStep))

    def trained_outputs(self, slopes: Tensor) -> Tensor:
        """Compute the outputs f(x; w_1) on the same inputs, differentiable in u.

        Args:
            slopes: u = dM/df of C candidates, (C, B, n).

        Returns:
            The outputs, (C, B, n).
        """
        deltas = self._deltas(slopes)
        values = self._inputs
        for place, part in enumerate(self._parts):
            if isinstance(part, LinearStep):
                values = part.trained(values, self._first[place], deltas.get(place, slopes))
            else:
                mask = self._masks.get(place)
                values = _applied(part, values) if mask is None else values * mask
        return values

    @property
    def _inputs(self) -> Tensor:
        return self.episode.batches[0][0].flatten(1)

    @torch.no_grad()
    def _forward(self, values: Tensor) -> Tensor:
        for place, part in enumerate(self._parts):
            if isinstance(part, LinearStep):
                self._first[place] = values
                values = part.layer(values)
            elif isinstance(part, nn.Dropout):
                self._slopes[place] = part(torch.ones_like(values))
                values = values * self._slopes[place]
            else:
                with torch.enable_grad():
                    point = values.detach().requires_grad_()
                    activations = _applied(part, point)
                    (self._slopes[place],) = torch.autograd.grad(activations.sum(), point)
                values = activations.detach()
        return values

    def _deltas(self, slopes: Tensor) -> dict[int, Tensor]:
        """The slopes D = dM/d(outputs), (C, B, out), of each trained layer by place."""
        if slopes.shape[-1] > 1:
            return self._backward(slopes)
        return {place: slopes * jacobian for place, jacobian in self._jacobians.items()}

    @cached_property
    def _jacobians(self) -> dict[int, Tensor]:
        """For one output, df/d(outputs), (1, B, out), of each trained layer by place."""
        return self._backward(torch.ones_like(self.outputs)[None])

    def _backward(self, slopes: Tensor) -> dict[int, Tensor]:
        """Take slopes in f back to the outputs of each trained layer, by the layer's place."""
        deltas: dict[int, Tensor] = {}
        trained = [i for i, p in enumerate(self._parts) if isinstance(p, LinearStep) and p.trains]
        for place in range(len(self._parts) - 1, trained[0] - 1, -1):
            part = self._parts[place]
            if not isinstance(part, LinearStep):
                slopes = slopes * self._slopes[place]
                continue
            if part.trains:
                deltas[place] = slopes
            if place > trained[0]:
                slopes = _side_by_side(slopes, part.layer.weight.detach())
        return deltas

    def _step(self, layer: nn.Linear) -> LinearStep:
        rules = self.episode.rules
        weight = _change(rules, self._names[id(layer.weight)])
        bias = (1.0, 0.0) if layer.bias is None else _change(rules, self._names[id(layer.bias)])
        return LinearStep(layer, weight, bias)


def linear_obstacle(episode: Episode) -> str | None:
    """Say why :class:`LinearEpisode` is not for an episode; ``None`` if it is.

    Args:
        episode: An episode of any network and optimiser.
    """
    if len(episode.batches) != 1:
        return "it has several steps."
    if not all(type(rule) is UnrolledSGD for rule in episode.rules.values()):
        return "its optimiser is not SGD."
    if all(_change(episode.rules, name) == (1.0, 0.0) for name in episode.rules):
        return "nothing is trained."
    inputs, parts, flat = episode.batches[0][0], [], False
    for module in _leaves(episode.network):
        if _hooked(module):
            return f"{type(module).__name__} has hooks."
        flat = flat or _flattens(module)
        if type(module) is nn.Linear:
            if inputs.ndim != 2 and not flat:
                return f"inputs of shape {tuple(inputs.shape)} are not flattened."
            parts.append(module)
        elif not (type(module) in (*_ELEMENTWISE, nn.Dropout, nn.Identity) or _flattens(module)):
            return f"{type(module).__name__} is not known to work number by number."
    own = [id(parameter) for part in parts for parameter in part.parameters()]
    if len(own) != len(set(own)):
        return "layers share parameters."
    if not parts or inputs.dtype != parts[0].weight.dtype:
        return "inputs and weights differ in dtype, or there is no linear layer."
    return None


def _leaves(network: nn.Module) -> Iterator[nn.Module]:
    """The modules that a network calls one after the other; itself where that is not known."""
    if isinstance(network, nn.Sequential) and _plain(network) and not _hooked(network):
        for child in network:
            yield from _leaves(child)
    else:
        yield network


def _plain(network: nn.Sequential) -> bool:
    """Whether the network calls its children in order and does nothing else."""
    kind = type(network)
    return kind.forward is nn.Sequential.forward and kind.__call__ is nn.Sequential.__call__


def _hooked(module: nn.Module) -> bool:
    """Whether a call of the module does more, or other things, than its class says."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    backward = (module._backward_hooks, module._backward_pre_hooks)
    return any((*hooks, *backward)) or "forward" in vars(module)


def _parts(network: nn.Module) -> Sequence[nn.Module]:
    """The modules of a network but for those that do nothing once inputs are flat."""
    return [m for m in _leaves(network) if not (type(m) is nn.Identity or _flattens(m))]


def _flattens(module: nn.Module) -> bool:
    return type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1)


def _applied(function: nn.Module, values: Tensor) -> Tensor:
    """Apply an elementwise function out of place, whatever its ``inplace`` says."""
    return function(values.clone() if getattr(function, "inplace", False) else values)  # type: ignore[no-any-return]


def _change(rules: Mapping[str, UpdateRule], name: str) -> tuple[float, float]:
    rule = rules.get(name)
    return rule.first_step if isinstance(rule, UnrolledSGD) else (1.0, 0.0)


def _scaled(values: Tensor, factor: float) -> Tensor:
    return values if factor == 1 else factor * values


def _side_by_side(rows: Tensor, matrix: Tensor) -> Tensor:
    """Multiply (..., B, i) by (i, j), so that no candidate's last digits depend on the others."""
    if rows.ndim == 2:
        return rows @ matrix
    return _product(rows, matrix.expand(len(rows), -1, -1))


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply (C, i, j) by (C, j, k).

    Vectors are multiplied elementwise: for a stack of one, and for that alone, ``bmm`` would take
    another kernel, with other last digits.
    """
    if left.shape[1] == 1:
        return (left.mT * right).sum(dim=1, keepdim=True)
    if right.shape[2] == 1:
        return (left * right.mT).sum(dim=2, keepdim=True)
    return torch.bmm(left, right)


def _stack(values: Tensor, like: Tensor) -> Tensor:
    """Expand (B, j) to the candidates of ``like``; (C, B, j) stays as it is."""
    return values if values.ndim > 2 else values.expand(len(like), -1, -1)
