"""Label noise that depends on the sample: some are harder to label than others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lightning_lossmeta.data.noise.apportion import check_rate
from lightning_lossmeta.data.noise.base import LabelNoise
from lightning_lossmeta.data.split import Split

if TYPE_CHECKING:
    from typing_extensions import Self


class InstanceNoise(LabelNoise):
    """Labels change with a probability of the sample's own, to a class that its inputs decide.

    For sample i with inputs x of S features and label y ::

        q_i ~ N(rate, std^2) truncated to [0, 1]          how likely its label changes
        W_y ~ N(0, 1), (S, n), one for every class
        P(new label j) = q_i softmax(x W_y)_j,  j != y    (the softmax leaves out y)
        P(new label y) = 1 - q_i

    By draws alone the number of flips would be random, and with truncation not even its mean would
    be ``rate``. Here exactly ``round(rate * N)`` labels change: with u_i uniform, the draw of the
    paper flips where ``logit(q_i) - logit(u_i) > 0``, and here those flip for whom the
    difference is largest. That is the same draw with all odds times one factor (Pareto sampling,
    Rosen 1997): the larger q_i, the likelier a flip.

    Args:
        rate: The share of labels that change, in [0, 1).
        std: The standard deviation of the samples' own rates, above 0.

    Raises:
        ValueError: If an argument is out of range.

    Source: Xia et al. (2020), instance-dependent label noise generation.

    >>> split = Split(torch.randn(10, 3), torch.arange(10) % 2)
    >>> int(InstanceNoise(0.3).apply(split, num_classes=2, seed=0).flipped.sum())
    3
    """

    def __init__(self, rate: float, std: float = 0.1) -> None:
        check_rate(rate)
        if isinstance(std, bool) or not 0 < std < math.inf:
            raise ValueError(f"Expected argument `std` to be above 0 and finite, got {std!r}.")
        self.rate = rate
        self.std = std

    @classmethod
    def example(cls) -> Self:
        """Two in five labels."""
        return cls(0.4)

    def corrupt(self, split: Split, num_classes: int, seed: int) -> Tensor:
        """Choose the samples whose labels flip, then the class of each."""
        generator = torch.Generator().manual_seed(seed)
        labels = split.targets.cpu().long().clone()
        chosen = self._chosen(len(labels), generator)
        size = split.inputs[0].numel()
        # In float64: rounding that differs between machines would move labels.
        for label, part in enumerate(_by_class(chosen, labels, num_classes)):
            projection = torch.randn(size, num_classes, dtype=torch.float64, generator=generator)
            inputs = split.inputs[part.to(split.inputs.device)].cpu().double().flatten(1)
            labels[part] = _other_class(inputs @ projection, label, generator)
        return labels

    def _chosen(self, size: int, generator: torch.Generator) -> Tensor:
        """Positions of ``round(rate * size)`` samples, those with large rates likelier."""
        rates = torch.empty(size, dtype=torch.float64)
        nn.init.trunc_normal_(rates, self.rate, self.std, 0.0, 1.0, generator=generator)
        draws = torch.rand(size, dtype=torch.float64, generator=generator)
        lead = rates.logit(eps=1e-12) - draws.logit(eps=1e-12)
        return lead.argsort(descending=True, stable=True)[: round(self.rate * size)]


def _by_class(positions: Tensor, labels: Tensor, num_classes: int) -> list[Tensor]:
    """The positions of each class's samples."""
    return [positions[labels[positions] == label] for label in range(num_classes)]


def _other_class(scores: Tensor, label: int, generator: torch.Generator) -> Tensor:
    """Draw a class other than ``label`` for each row of (N, n) scores, by their softmax.

    The largest of the scores plus Gumbel noise is such a draw.
    """
    exponential = torch.empty_like(scores).exponential_(generator=generator)
    scores = scores - exponential.log()
    scores[:, label] = -math.inf
    return scores.argmax(dim=1)
