"""Accuracy and losses of a network whose weights are moved along directions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _NormBase

from lightning_lossmeta.analysis.directions import Direction
from lightning_lossmeta.losses.progress_dependent import at_progress

ACCURACY, CROSS_ENTROPY, OWN_LOSS = "accuracy", "cross_entropy", "own_loss"

Batches = Iterable[tuple[Tensor, Tensor]]

#: Networks of fewer weights are evaluated many at once on the CPU: there calls cost more than sums.
SMALL = 20_000
_AT_ONCE = 16


@dataclass(frozen=True)
class Landscape:
    """What a network comes to at points around its weights.

    Args:
        coordinates: (P, D), how far each point lies along each of the directions.
        figures: By name one number a point, (P,): ``accuracy`` and ``cross_entropy`` of a
            classifier, and ``own_loss``. A loss that is not finite is NaN or infinite.
    """

    coordinates: npt.NDArray[np.float64]
    figures: dict[str, npt.NDArray[np.float64]]


@torch.no_grad()
def loss_landscape(
    module: nn.Module,
    batches: Batches,
    directions: Sequence[Direction],
    coordinates: npt.ArrayLike,
    loss: nn.Module | None = None,
    statistics: Sequence[Tensor] | None = None,
    at_once: int | None = None,
) -> Landscape:
    """Evaluate a network at theta + sum_k c_k d_k, for each point c.

    The module is in evaluation mode meanwhile; its weights, buffers and modes are left as they are.
    It is a classifier if it gives (B, n) with n at least 2 for class indices (B,).

    Args:
        module: The network, or a LightningModule with a ``forward``.
        batches: Pairs of inputs and targets on the module's device, looked at once.
        directions: D of them, as :func:`~.directions.filter_normalised_direction` draws.
        coordinates: (P, D), or (P,) for one direction.
        loss: The loss that the network was trained with, taken as at the end of a training; means
            of batches are weighted by their sizes.
        statistics: Inputs of training batches, from which the running statistics of normalisation
            layers are made anew at each point; ``None`` keeps those of the training.
        at_once: How many points are evaluated together; by default 16 for small networks of linear
            layers on the CPU, and 1 for others and where statistics are made anew.

    Raises:
        ValueError: If there is no direction, a shape does not fit, there are no batches, the module
            is no classifier and has no loss either, or ``at_once`` is below 1.
        TypeError: If the module has no ``forward``.

    Source: Li et al. (2018).
    """
    check_forward(module)
    points = np.asarray(coordinates, dtype=np.float64)
    points = points[:, None] if points.ndim == 1 else points
    if not directions or points.ndim != 2 or points.shape[1] != len(directions):
        raise ValueError(
            "Expected argument `coordinates` to have a column for each of the directions, at least "
            f"one, got shape {points.shape} and {len(directions)} directions."
        )
    if at_once is not None and at_once < 1:
        raise ValueError(f"Expected argument `at_once` to be at least 1 or None, got {at_once}.")
    moved = _Moved(module, directions)
    anew = bool(statistics and norm_layers(module))
    size = 1 if anew else at_once or _points_at_once(module)
    chunks = np.array_split(points, math.ceil(len(points) / size))
    ending = nullcontext() if loss is None else at_progress(loss, 1.0)
    sums: list[dict[str, npt.NDArray[np.float64]]] = [{} for _ in chunks]
    count = 0
    with _evaluating(module), ending:
        buffers = [moved.with_statistics(c, statistics) if anew else {} for c in chunks]  # type: ignore[arg-type]
        for inputs, target in batches:
            count += len(target)
            for chunk, own, total in zip(chunks, buffers, sums, strict=True):
                outputs = moved.outputs(chunk, inputs, own)
                for name, values in _figures(outputs, target, loss).items():
                    total[name] = total.get(name, 0.0) + len(target) * values
    if not count:
        raise ValueError("Expected argument `batches` to hold at least one batch, got none.")
    return Landscape(
        points, {name: np.concatenate([total[name] for total in sums]) / count for name in sums[0]}
    )


def check_forward(module: nn.Module) -> None:
    """Refuse a module that can't be asked for outputs.

    Raises:
        TypeError: If it has no ``forward`` of its own.
    """
    import pytorch_lightning as pl  # takes a while, and pictures of losses need none

    if type(module).forward in (nn.Module.forward, pl.LightningModule.forward):
        raise TypeError(
            f"Expected {type(module).__name__} to have a `forward(inputs)` that gives its outputs: "
            "a landscape asks for them."
        )


def norm_layers(module: nn.Module) -> list[_NormBase]:
    """The layers of a network that keep running statistics."""
    return [
        part
        for part in module.modules()
        if isinstance(part, _NormBase) and part.running_mean is not None
    ]


class _Moved:
    """A module, called with weights that lie along directions from its own."""

    def __init__(self, module: nn.Module, directions: Sequence[Direction]) -> None:
        self.module = module
        self.own = {name: value.detach() for name, value in module.named_parameters()}
        self.directions = directions
        self.device = next(iter(self.own.values())).device
        self.dtype = next(iter(self.own.values())).dtype

    def outputs(
        self, points: npt.NDArray[np.float64], inputs: Tensor, buffers: dict[str, Tensor]
    ) -> Tensor:
        """Outputs (P, B, ...) at points (P, D)."""
        table = torch.as_tensor(points, dtype=self.dtype, device=self.device)

        def at(point: Tensor) -> Tensor:
            weights = dict(self.own)
            for distance, direction in zip(point, self.directions, strict=True):
                weights |= {name: weights[name] + distance * d for name, d in direction.items()}
            return functional_call(self.module, {**weights, **buffers}, (inputs,))  # type: ignore[no-any-return]

        if len(table) > 1:
            try:
                return vmap(at)(table)
            except RuntimeError:
                pass  # a network that can't be stacked: one after the other says the same
        return torch.stack([at(point) for point in table])

    def with_statistics(
        self, point: npt.NDArray[np.float64], batches: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """Buffers in which running statistics are means over training batches at a point (1, D)."""
        buffers = {name: value.clone() for name, value in self.module.named_buffers()}
        layers = norm_layers(self.module)
        momenta = [layer.momentum for layer in layers]
        names = {id(part): name for name, part in self.module.named_modules()}
        for layer in layers:
            prefix = f"{names[id(layer)]}." if names[id(layer)] else ""
            for buffer, value in (("running_mean", 0), ("running_var", 1)):
                buffers[prefix + buffer].fill_(value)
            buffers[f"{prefix}num_batches_tracked"].zero_()
        try:
            for layer in layers:
                layer.momentum = None  # a plain mean over the batches
                layer.train()
            for inputs in batches:
                self.outputs(point, inputs, buffers)
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
                layer.eval()
        return buffers


def _figures(
    outputs: Tensor, target: Tensor, loss: nn.Module | None
) -> dict[str, npt.NDArray[np.float64]]:
    """Figures of one batch at P points, from outputs (P, B, ...)."""
    figures: dict[str, list[Any]] = {}
    classes = outputs.dim() == 3 and outputs.shape[2] > 1
    if classes and target.dim() == 1 and not target.is_floating_point():
        finite = outputs.isfinite().all(dim=2)
        right = (outputs.argmax(dim=2) == target) & finite
        figures[ACCURACY] = list(right.float().mean(dim=1))
        figures[CROSS_ENTROPY] = [cross_entropy(output.float(), target) for output in outputs]
    if loss is not None:
        figures[OWN_LOSS] = [loss(output, target).mean() for output in outputs]
    if not figures:
        raise ValueError(
            "Expected a classifier, which gives (B, n) for class indices (B,), or the loss of "
            f"another network, got outputs {tuple(outputs.shape[1:])}, targets "
            f"{tuple(target.shape)} and no loss."
        )
    return {
        name: torch.stack(values).cpu().double().numpy().reshape(len(outputs))
        for name, values in figures.items()
    }


def _points_at_once(module: nn.Module) -> int:
    parameters = list(module.parameters())
    small = sum(parameter.numel() for parameter in parameters) < SMALL
    flat = all(parameter.dim() <= 2 for parameter in parameters)
    return _AT_ONCE if small and flat and parameters[0].device.type == "cpu" else 1


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """A module in evaluation mode, and afterwards as it was."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def described_statistics(module: nn.Module, batches: int) -> str:
    """What was done about normalisation layers, for a figure or a table.

    Args:
        module: The network.
        batches: From how many training batches statistics were made anew; 0 if they were kept.
    """
    if not norm_layers(module):
        return "no normalisation layers with running statistics"
    if not batches:
        return "running statistics of normalisation layers kept from training"
    return f"running statistics of normalisation layers anew from {batches} training batches"
