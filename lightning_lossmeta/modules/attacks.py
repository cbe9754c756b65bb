"""Attacks on networks in raw pixels: one step of the gradient's sign, and many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_lossmeta.modules.networks import Networks

#: How far from [0, 1] inputs may lie in raw pixels: half precision rounds that much.
_ROUNDING = 0.02


@dataclass(frozen=True)
class Normalisation:
    """What was done to pixels in [0, 1] before a network sees them, by channel.

    Args:
        mean: What was subtracted.
        std: What they were divided by then.

    Raises:
        ValueError: If an entry of ``std`` is not positive, or the two differ in length.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(value > 0 for value in self.std):
            raise ValueError(
                f"Expected argument `std` to hold positive numbers, got {list(self.std)}."
            )
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"Expected arguments `mean` and `std` to be of one length, got {len(self.mean)} "
                f"and {len(self.std)} numbers."
            )

    @classmethod
    def of(
        cls, data: object, mean: Iterable[float] | None = None, std: Iterable[float] | None = None
    ) -> Normalisation | None:
        """The normalisation that is given, or else what a data module says; ``None`` if neither.

        Args:
            data: Anything, whose attributes ``mean`` and ``std`` are looked at.
            mean: What was subtracted, if it is known.
            std: What pixels were divided by, if it is known.
        """
        mean = getattr(data, "mean", None) if mean is None else mean
        std = getattr(data, "std", None) if std is None else std
        if mean is None or std is None:
            return None
        return cls(_numbers(mean), _numbers(std))

    def tensors(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation as inputs (C, B, channels, ...) of networks take them.

        Raises:
            ValueError: If the inputs have another number of channels.
        """
        if len(self.std) not in (1, inputs.shape[2] if inputs.dim() > 2 else 1):
            raise ValueError(
                f"Expected as many numbers in `mean` and `std` as inputs have channels, 1 or "
                f"{inputs.shape[2]}, got {len(self.std)}."
            )
        shape = [-1] + [1] * (inputs.dim() - 3)
        mean, std = (
            torch.tensor(values, dtype=inputs.dtype, device=inputs.device).view(shape)
            for values in (self.mean, self.std)
        )
        return mean, std


def ascent(networks: Networks, inputs: Tensor, target: Tensor) -> Tensor:
    """The sign of cross-entropy's gradient by each input, whatever loss a network was trained with.

    It is taken of ::

        log sum_{k != y} exp(z_k) - z_y  =  log((1 - p_y) / p_y)

    whose gradient is that of cross-entropy divided by 1 - p_y: the sign is the same, and does not
    vanish where a confident network rounds p_y to 1.

    Args:
        networks: One network, or a stack of C, in whatever mode they are.
        inputs: Each network's own, (C, B, ...), floating-point.
        target: Class indices (C, B).

    Returns:
        Of each input -1, 0 or 1, in its shape.

    Raises:
        ValueError: If inputs are integers, outputs no logits (B, n), or targets no class indices.
    """
    _check_floating(inputs)
    with torch.inference_mode(False), torch.enable_grad():
        places = inputs.detach().clone().requires_grad_()
        own = target.clone()
        with torch.autocast(inputs.device.type, enabled=False):
            outputs = networks(places)
        _check_classes(outputs, own)
        logits = outputs.float() if outputs.element_size() < 4 else outputs
        index = own.unsqueeze(-1)
        rivals = logits.scatter(-1, index, -torch.inf).logsumexp(dim=-1)
        margins = rivals - logits.gather(-1, index).squeeze(-1)
        (gradient,) = torch.autograd.grad(margins.sum(), places)
    return gradient.sign()


def fgsm(
    networks: Networks, inputs: Tensor, target: Tensor, epsilon: float, pixels: Normalisation
) -> Tensor:
    """One step of the fast gradient sign method, ``clip(x + epsilon sign(dCE/dx), 0, 1)``.

    Args:
        networks: One network, or a stack of C.
        inputs: Each network's own, normalised, (C, B, channels, ...).
        target: Class indices (C, B).
        epsilon: Largest change of a raw pixel.
        pixels: How the inputs were normalised.

    Returns:
        Attacked inputs, normalised, (C, B, channels, ...).

    Raises:
        ValueError: As of :func:`ascent`, or if the inputs are no such pixels.

    Source: Goodfellow et al. (2015).
    """
    nowhere = torch.zeros((), dtype=inputs.dtype, device=inputs.device)
    steps = 1 if epsilon else 0
    return pgd(networks, inputs, target, epsilon, steps, epsilon, nowhere, pixels)


def pgd(
    networks: Networks,
    inputs: Tensor,
    target: Tensor,
    epsilon: float,
    steps: int,
    step_size: float,
    start: Tensor,
    pixels: Normalisation,
) -> Tensor:
    """Projected gradient descent in the ball of radius epsilon in the largest change of a pixel.

    From ``x_0 = x + start``, with the projection P on the ball around x and on [0, 1] ::

        x_{t+1} = P(x_t + step_size sign(dCE/dx_t))

    Args:
        networks: One network, or a stack of C.
        inputs: Each network's own, normalised, (C, B, channels, ...).
        target: Class indices (C, B).
        epsilon: Largest change of a raw pixel.
        steps: How many steps are taken.
        step_size: How far each goes, in raw pixels.
        start: The change of raw pixels to begin with, broadcast to the inputs.
        pixels: How the inputs were normalised.

    Returns:
        Attacked inputs, normalised, (C, B, channels, ...).

    Raises:
        ValueError: As of :func:`ascent`, or if the inputs are no such pixels.

    Source: Madry et al. (2018).
    """
    _check_floating(inputs)
    mean, std = pixels.tensors(inputs)
    lowest, highest = -mean / std, (1 - mean) / std
    _check_pixels(inputs, mean, std)
    least = torch.maximum(inputs - epsilon / std, lowest)
    most = torch.minimum(inputs + epsilon / std, highest)
    moved = torch.clamp(inputs + start / std, least, most)
    for _ in range(steps):
        sign = ascent(networks, moved, target)
        moved = torch.clamp(moved + step_size / std * sign, least, most)
    return moved.detach()


@torch.no_grad()
def classified(networks: Networks, inputs: Tensor, target: Tensor) -> Tensor:
    """Whether each network classifies its inputs right, (C, B); NaN where outputs are not finite.

    Args:
        networks: One network, or a stack of C.
        inputs: Each network's own, (C, B, ...).
        target: Class indices (C, B).

    Raises:
        ValueError: If outputs are no logits (B, n), or targets no class indices.
    """
    outputs = networks(inputs)
    _check_classes(outputs, target)
    right = (outputs.argmax(dim=-1) == target).float()
    return torch.where(outputs.isfinite().all(dim=-1), right, torch.nan)


def _check_floating(inputs: Tensor) -> None:
    if not inputs.is_floating_point():
        raise ValueError(
            "Expected floating-point inputs for an attack, which follows the gradient by the "
            f"input, got {inputs.dtype}: integers, as of words, have none. Attack what they are "
            "embedded in, or leave the attack out."
        )


def _check_classes(outputs: Tensor, target: Tensor) -> None:
    shapes_fit = outputs.dim() == 3 and outputs.shape[-1] > 1 and target.dim() == 2
    if not shapes_fit or target.is_floating_point():
        raise ValueError(
            "Expected class indices (B,) and logits (B, n) of at least 2 classes for an attack, "
            f"got targets {tuple(target.shape[1:])} of {target.dtype} and outputs "
            f"{tuple(outputs.shape[1:])}."
        )


def _check_pixels(inputs: Tensor, mean: Tensor, std: Tensor) -> None:
    """Refuse inputs that are no pixels in [0, 1] before this normalisation."""
    raw = inputs * std + mean
    low, high = float(raw.min()), float(raw.max())
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            "Expected inputs that were pixels in [0, 1] before they were normalised by `mean` and "
            f"`std`, got {low:.3g} to {high:.3g}: give the attack the `mean` and `std` by which "
            "the data were normalised."
        )


def _numbers(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(item) for item in torch.as_tensor(values).reshape(-1))
