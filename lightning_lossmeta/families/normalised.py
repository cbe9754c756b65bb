"""Losses brought to a common range (Gao et al., eq. 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses.base import LossFunction


@dataclass(frozen=True)
class Normalisation:
    """The affine map L -> scale * (L - offset) and how it was found.

    Args:
        scale: eta / (Lmax - Lmin).
        offset: Lmin.
        eta: The width of the range that was asked for.
        num_classes: The class count of the simplex that was sampled.
    """

    scale: float
    offset: float
    eta: float
    num_classes: int


class NormalisedLoss(LossFunction):
    """A loss under a :class:`Normalisation`: L' = scale * (L - offset)."""

    scale: Tensor
    offset: Tensor

    def __init__(self, loss: LossFunction, normalisation: Normalisation) -> None:
        super().__init__(loss.reduction)
        self.loss = loss
        self.normalisation = normalisation
        for name in ("scale", "offset"):
            value = torch.tensor(getattr(normalisation, name), dtype=torch.float64)
            self.register_buffer(name, value, persistent=False)

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, n, ...) -> (B, ...)."""
        losses = self.loss.per_sample(output, target)
        return self.scale.to(losses.dtype) * (losses - self.offset.to(losses.dtype))


class NormalisedFamily(LossFamily):
    """Another family whose losses all span a range of ``eta``.

    Lmin and Lmax are taken over pairs of a point of the simplex and a one-hot label: its corners,
    its centre, edges, and Dirichlet samples of several concentrations. Without corners and centre
    the range is badly underestimated for many classes.

    Args:
        family: Whose losses are normalised.
        num_classes: Dimension of the simplex.
        eta: Width of the range.
        samples: Random points a concentration.

    Raises:
        ValueError: If ``eta`` is not positive, or there are fewer than two classes.
    """

    name = "normalised"

    def __init__(
        self, family: LossFamily, num_classes: int, eta: float = 1.0, samples: int = 500
    ) -> None:
        if not (eta > 0 and math.isfinite(eta)):
            raise ValueError(f"Expected argument `eta` to be a positive number, got {eta!r}.")
        if num_classes < 2:
            raise ValueError(f"Expected argument `num_classes` to be at least 2, got {num_classes}.")
        self.family = family
        self.num_classes = num_classes
        self.eta = eta
        self.samples = samples
        self.space = family.space
        self._logits, self._target = simplex_pairs(num_classes, samples)

    def normalisation(self, loss: LossFunction) -> Normalisation:
        """Measure the range of a loss.

        Raises:
            ValueError: If the loss is constant or not finite on the simplex.
        """
        with torch.no_grad():
            values = loss.per_sample(self._logits, self._target)
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high) and high > low):
            raise ValueError(
                f"Expected a loss that varies over the simplex to normalise it, got {low} to {high}."
            )
        return Normalisation(self.eta / (high - low), low, self.eta, self.num_classes)

    def build(self, candidate: Candidate) -> NormalisedLoss:
        """The family's loss, normalised."""
        loss = self.family.build(candidate)
        return NormalisedLoss(loss, self.normalisation(loss))

    def read(self, loss: LossFunction) -> Candidate:
        """The candidate within a :class:`NormalisedLoss`."""
        return self.family.read(loss.loss if isinstance(loss, NormalisedLoss) else loss)

    def formula(self, candidate: Candidate) -> str:
        """The formula before normalisation, times the scale."""
        found = self.normalisation(self.family.build(candidate))
        return f"{found.scale:.4g} * ( {self.family.formula(candidate)} - {found.offset:.4g} )"

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments; the inner family by name and settings."""
        inner = {"name": self.family.name, "settings": self.family.settings()}
        return {
            "family": inner,
            "num_classes": self.num_classes,
            "eta": self.eta,
            "samples": self.samples,
        }


def simplex_pairs(num_classes: int, samples: int) -> tuple[Tensor, Tensor]:
    """Logits (log-probabilities) of points of the simplex, and class 0 or 1 as their label.

    Sampling is fixed, so that a candidate has one normalisation.
    """
    generator = torch.Generator().manual_seed(0)
    corners = torch.eye(num_classes, dtype=torch.float64)[: min(num_classes, 3)]
    centre = torch.full((1, num_classes), 1.0 / num_classes, dtype=torch.float64)
    along = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    edges = [along * corners[0] + (1 - along) * other for other in (corners[1], centre[0])]
    edges.append(along * corners[1] + (1 - along) * centre[0])
    points = [corners, centre, *edges]
    for concentration in (0.05, 0.3, 1.0, 10.0):
        alpha = torch.full((samples, num_classes), concentration, dtype=torch.float64)
        gamma = torch._standard_gamma(alpha, generator=generator)
        points.append(gamma / gamma.sum(dim=1, keepdim=True).clamp_min(1e-300))
    simplex = torch.cat(points)
    logits = simplex.clamp_min(1e-30).log()
    labels = torch.arange(2).repeat_interleave(len(simplex))
    return torch.cat([logits, logits]), labels
