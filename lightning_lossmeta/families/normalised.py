"""Losses brought to a common range (Gao et al., eq. 5)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import FrozenCandidate, LossFamily, UnusableLossError
from lightning_lossmeta.families.normalisation import Normalisation
from lightning_lossmeta.families.simplex import simplex_points
from lightning_lossmeta.families.skeleton import Skeleton
from lightning_lossmeta.families.taylor import TaylorFamily
from lightning_lossmeta.losses.base import LossFunction, check_class_probabilities
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.cross_entropy import CrossEntropy
from lightning_lossmeta.losses.links import without
from lightning_lossmeta.losses.progress_dependent import at_progress

if TYPE_CHECKING:
    from typing_extensions import Self

# Ranges below this, absolute or relative to the values, are what rounding makes of a constant.
_ROUNDING = 1e-12


class NormalisedLoss(LossFunction):
    """A loss under a :class:`Normalisation`: L' = scale * (L - offset).

    Args:
        loss: Any loss; its reduction is taken over.
        normalisation: The affine map.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, loss: LossFunction, normalisation: Normalisation) -> None:
        super().__init__(loss.reduction)
        self.loss = loss
        self.link = loss.link
        self.normalisation = normalisation
        for name in ("scale", "offset"):
            value = torch.tensor(getattr(normalisation, name), dtype=torch.float64)
            self.register_buffer(name, value, persistent=False)

    @classmethod
    def example(cls) -> Self:
        """Cross-entropy of three classes."""
        return cls(CrossEntropy(), Normalisation(2.0, -0.1, 1.0, num_classes=3))

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, n, ...) -> (B, ...)."""
        return self._mapped(self.loss.per_sample(output, target), target)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The loss's own extension to any h (B, n, ...), mapped."""
        return self._mapped(self.loss.from_probabilities(h, target), target)

    def _mapped(self, losses: Tensor, target: Tensor) -> Tensor:
        mapped = self.scale.to(losses.dtype) * (losses - self.offset.to(losses.dtype))
        return without(mapped, self.link.ignored(target))


class NormalisedFamily(LossFamily):
    """Another family whose losses all span a range of ``eta``.

    Lmin and Lmax are taken over the points of the simplex that
    :func:`~lightning_lossmeta.families.simplex.simplex_points` gives, the first class being the
    target: losses are taken to treat classes alike.

    Args:
        family: The family whose losses are normalised.
        num_classes: Dimension of the simplex.
        eta: Width of the range.
        samples: How many random points there are for each concentration, beside the regular ones.

    Raises:
        ValueError: If ``family`` is normalised already, ``eta`` is not positive, there are fewer
            than two classes, or ``samples`` is negative.
    """

    name = "normalised"
    serializable = False

    def __init__(
        self, family: LossFamily, num_classes: int, eta: float = 1.0, samples: int = 500
    ) -> None:
        if isinstance(family, NormalisedFamily):
            raise ValueError("Expected argument `family` not to be normalised, got one that is.")
        check_at_least(2, num_classes=num_classes)
        check_range(eta, samples)
        self.family = family
        self.num_classes = num_classes
        self.eta = eta
        self.samples = samples
        self.space = family.space
        self._logits = simplex_points(num_classes, samples).clamp_min(1e-30).log()
        self._target = torch.zeros(len(self._logits), dtype=torch.long)

    @classmethod
    def example(cls) -> Self:
        """Taylor losses of three classes."""
        return cls(TaylorFamily(start="mse"), num_classes=3)

    def normalisation(self, loss: LossFunction) -> Normalisation:
        """Measure the range of a loss; one that changes in training is measured in its middle.

        Raises:
            ValueError: If the loss is constant or not finite on the simplex.
            TypeError: If it takes no probabilities of classes.
        """
        check_class_probabilities(loss)
        with torch.no_grad(), at_progress(loss, 0.5):
            values = loss.per_sample(self._logits, self._target)
        low, high = float(values.min()), float(values.max())
        least = _ROUNDING * max(1.0, abs(low), abs(high))
        if not (math.isfinite(low) and math.isfinite(high) and high - low > least):
            raise UnusableLossError(
                "Expected a loss that varies over the simplex to normalise it, got values from "
                f"{low} to {high}."
            )
        return Normalisation(self.eta / (high - low), low, self.eta, self.num_classes)

    def baselines(self) -> dict[str, Candidate]:
        """The baselines of the inner family, each normalised when it is built."""
        return self.family.baselines()

    def build(self, candidate: Candidate) -> NormalisedLoss:
        """Build the inner family's loss and measure its range to normalise it."""
        loss = self.family.build(candidate)
        return NormalisedLoss(loss, self.normalisation(loss))

    def read(self, loss: LossFunction) -> Candidate:
        """Read the candidate of the loss within a :class:`NormalisedLoss`."""
        if not isinstance(loss, NormalisedLoss):
            raise ValueError(f"Expected a NormalisedLoss, got {type(loss).__name__}.")
        return self.family.read(loss.loss)

    def formula(self, candidate: Candidate) -> str:
        """Write the inner family's formula under the affine map."""
        return self._measured(candidate).formula(self.family.formula(candidate))

    def key(self, candidate: Candidate) -> str:
        """The inner family's key of a candidate: equal losses have equal ranges."""
        return self.family.key(candidate)

    def skeleton(self, candidate: Candidate) -> Skeleton | None:
        """The inner family's skeleton of a candidate."""
        return self.family.skeleton(candidate)

    def freeze(self, candidate: Candidate) -> FrozenCandidate:
        """The inner family's candidate and the constants that were measured for it."""
        frozen = self.family.freeze(candidate)
        return replace(frozen, normalisation=self._measured(candidate))

    def local_search_obstacle(self) -> str | None:
        """Say that the map depends on theta, which the slopes of a local search leave out."""
        return (
            "the scale of a normalised loss changes with theta, which a local search can't "
            "see; leave the normalisation out."
        )

    def _measured(self, candidate: Candidate) -> Normalisation:
        return self.normalisation(self.family.build(candidate))

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments; the inner family by name and settings."""
        inner = {"name": self.family.name, "settings": self.family.settings()}
        return {
            "family": inner,
            "num_classes": self.num_classes,
            "eta": self.eta,
            "samples": self.samples,
        }


def check_range(eta: float, samples: int) -> None:
    """Refuse a range that no loss can be brought to, or a negative number of samples.

    Raises:
        ValueError: If ``eta`` is not positive or ``samples`` is negative.
    """
    check_interval("eta", eta, 0, math.inf, "()")
    check_at_least(0, samples=samples)
