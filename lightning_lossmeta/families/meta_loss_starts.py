"""Where a search for a meta-loss network begins: cross-entropy, zero, or anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.families.meta_loss import (
    LOG_SCALE,
    FixedMetaLossNetwork,
    FreeMetaLossNetwork,
    MetaLossNetwork,
)

#: Numbers of classes at which a network for any number is fitted, and one that it is scaled for.
COUNTS, USUAL = (3, 10, 30), 10

# What lifts a unit out of zero where y is 1, and where the softplus function is straight.
_GATE, _STRAIGHT = 50.0, 8.0

# Standard deviations of logits, and how many points of the simplex there are of each.
_SPREADS, _POINTS = (0.3, 1.0, 3.0), 60

# Weight of |v|^2 beside the mean squared error of the slopes.
_RIDGE = 1e-8


def drawn(network: MetaLossNetwork, seed: int) -> tuple[float, ...]:
    """Weights as ``nn.Linear`` draws them: uniform on [-1/sqrt(m), 1/sqrt(m)] for m inputs.

    Args:
        network: Says what layers there are.
        seed: Seed of the draw; global random state is left alone.
    """
    generator = torch.Generator().manual_seed(seed)
    parts, inputs = [], 1
    *shapes, readout = network.shapes()
    for shape in [*shapes, (1, *readout)]:
        inputs = math.prod(shape[1:]) if len(shape) > 1 else inputs  # a bias follows its weight
        values = torch.rand(shape, generator=generator, dtype=torch.float64)
        parts.append((2 * values - 1) / math.sqrt(inputs))
    return _joined(parts)


@lru_cache(maxsize=8)
def free_cross_entropy(channels: int, hidden: int) -> tuple[float, ...]:
    """Weights of a network for any number of classes whose slopes are those of cross-entropy.

    Two channels and two units stand so that the difference of the units is -y log h; the other
    weights before the readout are drawn at random. The readout is that of least squares over the
    simplex, for 3, 10 and 30 classes at once, of the slopes of cross-entropy times 10/n, n being
    the number of classes. With a single channel or unit all are drawn, and the fit is poor.

    Args:
        channels: As of :class:`~lightning_lossmeta.families.meta_loss.FreeMetaLossNetwork`.
        hidden: As there.
    """
    size = 3 * channels * (hidden + 1) + 2 * channels + 2 * hidden
    network = FreeMetaLossNetwork((0.0,) * size, channels, hidden)
    generator = torch.Generator().manual_seed(0)
    shapes = network.shapes()[:-1]
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    if channels > 1 and hidden > 1:
        pair = torch.tensor([1.0, -1.0], dtype=torch.float64)  # s(x) - s(-x) = x
        a_weight, a_bias, b_weight, b_bias, weight, bias = parts
        a_weight[:2], a_bias[:2] = 0, 0
        a_weight[:2, 1] = -pair / LOG_SCALE
        b_weight[0], b_bias[0] = _GATE, 0
        weight[:2], bias[:2] = 0, -_GATE
        weight[0, :2], weight[1, :2] = pair, -pair
        weight[:2, channels] = 1
    return _distilled(FreeMetaLossNetwork, parts, (channels, hidden), COUNTS)


@lru_cache(maxsize=8)
def fixed_cross_entropy(num_classes: int, hidden: int) -> tuple[float, ...]:
    """Weights of the paper's network that come as near to cross-entropy as its readout can.

    The layers before treat classes alike: the matrices are multiples of the identity, and the
    convolution begins with its middle alone, so that its units are bends of rising steepness, in
    the probability of the target, of which the readout puts a logarithm together.

    Args:
        num_classes: As of :class:`~lightning_lossmeta.families.meta_loss.FixedMetaLossNetwork`.
        hidden: As there.
    """
    eye = torch.eye(num_classes, dtype=torch.float64)
    zeros = torch.zeros(num_classes, dtype=torch.float64)
    steepness = torch.logspace(-1, 1, hidden, dtype=torch.float64)
    convolution = torch.zeros(hidden, 2, 3, dtype=torch.float64)
    convolution[:, 0, 1], convolution[:, 1, 1] = -steepness, 1
    bias = steepness * _STRAIGHT - _GATE
    straight = zeros + _STRAIGHT  # so far up, the softplus function is straight
    parts = [_GATE * eye, straight, _GATE * eye, zeros, convolution, bias]
    return _distilled(FixedMetaLossNetwork, parts, (num_classes, hidden), (num_classes,))


def _distilled(
    make: Callable[[tuple[float, ...], int, int], MetaLossNetwork],
    parts: Sequence[Tensor],
    widths: tuple[int, int],
    counts: Sequence[int],
) -> tuple[float, ...]:
    blank = torch.zeros(widths[1], dtype=torch.float64)
    readout = _fitted(make(_joined([*parts, blank]), *widths), counts)
    return _joined([*parts, readout])


def _fitted(network: MetaLossNetwork, counts: Sequence[int]) -> Tensor:
    """The readout of least squares of the slopes in the logits."""
    rows, values = [], []
    for n in counts:
        logits, target = _simplex_logits(n)
        slopes = _slopes(network, logits, target).flatten(1).T
        wanted = logits.softmax(dim=1) - F.one_hot(target, n)
        share = n / USUAL / math.sqrt(len(logits) * len(counts))
        rows.append(share * slopes)
        values.append(share * USUAL / n * wanted.flatten())
    width = rows[0].shape[1]
    rows.append(math.sqrt(_RIDGE) * torch.eye(width, dtype=torch.float64))
    values.append(torch.zeros(width, dtype=torch.float64))
    matrix, slope = torch.cat(rows), torch.cat(values)
    readout: Tensor = torch.linalg.lstsq(matrix, slope.unsqueeze(1)).solution[:, 0]
    return readout


def _simplex_logits(num_classes: int) -> tuple[Tensor, Tensor]:
    """Logits from the middle of the simplex to its corners, right and wrong, and targets."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(_SPREADS), _POINTS, num_classes, generator=generator).double()
    logits = (torch.tensor(_SPREADS).double().view(-1, 1, 1) * logits).flatten(0, 1)
    return logits, torch.arange(len(logits)) % num_classes


def _slopes(network: MetaLossNetwork, logits: Tensor, target: Tensor) -> Tensor:
    """The slope of each unit, averaged over the classes, in the logits: (m, B, n)."""
    free = logits.clone().requires_grad_()
    units = network.units(free, target).mean(dim=1).sum(dim=0)
    slopes = [torch.autograd.grad(unit, free, retain_graph=True)[0] for unit in units]
    return torch.stack(slopes)


def _joined(parts: Sequence[Tensor]) -> tuple[float, ...]:
    return tuple(torch.cat([part.reshape(-1) for part in parts]).tolist())
