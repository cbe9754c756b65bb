"""Random directions in the space of a network's weights, and how far a flat valley reaches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Direction = dict[str, Tensor]


def filter_normalised_direction(
    module: nn.Module, generator: torch.Generator, without: Iterable[nn.Module] = ()
) -> Direction:
    """A random direction of which each filter is as long as the network's own.

    With Gaussian d, and i, j the j-th filter of weight i, its j-th row along the first axis ::

        d_ij <- d_ij / |d_ij| |theta_ij|

    Biases and the parameters of normalisation layers, all of one axis or none, stay as they are:
    they have no entry. Equal generators draw equal d for networks of one architecture, whatever
    their weights are.

    Args:
        module: The network.
        generator: Draws d, on the CPU and in float32.
        without: Parts that are no layers of the network, such as its loss.

    Returns:
        By the parameters' names, each in its parameter's shape, type and device.

    Raises:
        ValueError: If no parameter has two axes or more.

    Source: Li et al. (2018), section 4.
    """
    left_out = {id(parameter) for part in without for parameter in part.parameters()}
    direction = {}
    for name, parameter in module.named_parameters():
        if parameter.dim() < 2 or id(parameter) in left_out:
            continue
        drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
        direction[name] = drawn * (_lengths(parameter.detach()) / _lengths(drawn).clamp_min(1e-30))
    if not direction:
        raise ValueError(
            f"Expected {type(module).__name__} to have weights of at least two axes, as linear "
            "layers and convolutions have, to be moved along filter-normalised directions; got "
            "none."
        )
    return direction


def _lengths(values: Tensor) -> Tensor:
    """The length of each row along the first axis, in a shape that scales it."""
    norms: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=1)
    return norms.view(-1, *[1] * (values.dim() - 1))


class Flatness(NamedTuple):
    """How far an accuracy stays near its peak.

    Args:
        width: The interval's width, from ``low`` to ``high``.
        low: Its lower end, at most 0.
        high: Its upper end, at least 0.
        at_edge: Whether it reaches an end of the curve, so that it may be wider.
    """

    width: float
    low: float
    high: float
    at_edge: bool


def flatness(alphas: npt.ArrayLike, accuracy: npt.ArrayLike, level: float = 0.9) -> Flatness:
    """The interval around 0 in which an accuracy stays at a share of its peak or above.

    Between the points of the curve the accuracy is taken to be linear.

    Args:
        alphas: Rising, with 0 among them, (P,).
        accuracy: (P,); the peak is the largest of them.
        level: The share of the peak, above 0 and at most 1.

    Returns:
        The interval; of width 0 if the accuracy at 0 itself lies below.

    Raises:
        ValueError: If the shapes don't fit, ``alphas`` do not rise or lack 0, a number is not
            finite, or the level is out of its range.

    >>> flatness([-1, -0.5, 0, 0.5, 1], [0.1, 0.5, 1.0, 0.75, 0.5], level=0.75)
    Flatness(width=0.75, low=-0.25, high=0.5, at_edge=False)
    """
    x, y = np.asarray(alphas, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2 or y.shape != x.shape:
        raise ValueError(
            "Expected arguments `alphas` and `accuracy` to be of one shape (P,), P at least 2, got "
            f"{x.shape} and {y.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("Expected arguments `alphas` and `accuracy` to hold finite numbers.")
    if not (np.diff(x) > 0).all() or 0 not in x:
        raise ValueError(
            f"Expected argument `alphas` to rise and to hold 0, got {x.tolist()}: take an odd "
            "number of points."
        )
    if not 0 < level <= 1:
        raise ValueError(f"Expected argument `level` to be above 0 and at most 1, got {level}.")
    middle = int(np.flatnonzero(x == 0)[0])
    threshold = level * y.max()
    if y[middle] < threshold:
        return Flatness(0.0, 0.0, 0.0, False)
    high, right_end = _crossing(x[middle:], y[middle:], threshold)
    low, left_end = _crossing(-x[middle::-1], y[middle::-1], threshold)
    return Flatness(high + low, -low, high, right_end or left_end)


def _crossing(x: np.ndarray, y: np.ndarray, threshold: float) -> tuple[float, bool]:
    """Where y, from its first point on, comes to lie below, and whether it never does."""
    below = np.flatnonzero(y < threshold)
    if not len(below):
        return float(x[-1]), True
    end = int(below[0])
    share = (y[end - 1] - threshold) / (y[end - 1] - y[end])
    return float(x[end - 1] + share * (x[end] - x[end - 1])), False


def alphas_of(points: int, reach: float) -> npt.NDArray[np.float64]:
    """Equally spaced points from ``-reach`` to ``reach`` with 0 in the middle, exactly.

    Args:
        points: How many, odd and at least 3.
        reach: The largest of them, positive.

    Raises:
        ValueError: If ``points`` is even or below 3, or ``reach`` not positive and finite.
    """
    if not isinstance(points, int) or points < 3 or points % 2 == 0:
        raise ValueError(
            f"Expected argument `points` to be an odd number of at least 3, so that the trained "
            f"network is among them, got {points!r}."
        )
    if not 0 < reach < math.inf:
        raise ValueError(f"Expected argument `reach` to be a positive number, got {reach!r}.")
    half = points // 2
    return reach * np.arange(-half, half + 1) / half
