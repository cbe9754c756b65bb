"""The family of losses that are small neural networks (ML3, Bechtle et al.)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.network_loss import (
    NetworkLoss,
    count_weights,
    layers,
    network_widths,
    written,
)
from lightning_lossmeta.families.problem import PROBLEMS, Problem, link_of, own_loss
from lightning_lossmeta.families.spaces import Seed, VectorSpace
from lightning_lossmeta.losses.base import LossFunction

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class NetworkSpace(VectorSpace):
    """The weights and biases of networks of one shape.

    Args:
        names: The names of the weights.
        start: The weights that a search without random starts begins with.
        widths: The widths of all layers, from the inputs to the output.
    """

    widths: tuple[int, ...]

    @classmethod
    def of(cls, widths: tuple[int, ...]) -> NetworkSpace:
        """The space of networks with these widths; a search begins with the draw of seed 0."""
        names = tuple(f"theta{index}" for index in range(count_weights(widths)))
        return cls(names, _drawn(widths, 0), widths)

    def draw(self, seed: int) -> tuple[float, ...]:
        """Draw weights and biases as ``nn.Linear`` initialises them, in float64.

        Of a layer with m inputs, both are uniform on [-1/sqrt(m), 1/sqrt(m)].

        Args:
            seed: Seed of the draw; global random state is left alone.
        """
        return _drawn(self.widths, seed)

    def sample(self, seed: Seed, sigma: float = 0.1) -> Candidate:
        """Draw a network as it is initialised, by :meth:`draw`; ``sigma`` has no effect."""
        return Candidate(None, self.draw(int(np.random.default_rng(seed).integers(2**63))))


class NetworkFamily(LossFamily):
    """All feed-forward networks of one shape on (prediction, target): 2,751 weights for 2-50-50-1.

    A candidate's theta are the weights and biases, layer by layer; it has no structure. Hidden
    units are ReLU and the output goes through a softplus, so that losses are positive. That is as
    in the paper's code, whose weights are drawn by Xavier's rule with biases, if any, of zero; here
    they are drawn as ``nn.Linear`` does.

    With thousands of weights it is for a local search: a
    :class:`~lightning_lossmeta.searchers.GradientSearcher` with a
    :class:`~lightning_lossmeta.local_search.GradientRefiner`.

    Args:
        hidden: Units of each hidden layer.
        problem: ``"classification"``: the network sees a softmax probability and its entry of the
            one-hot or soft target, and is averaged over the classes; ``"binary"``: it sees a
            sigmoid probability and its label; ``"regression"``: it sees an output and its target.

    Raises:
        ValueError: If an argument is out of its range, or there are more than 200,000 weights.

    Source: Bechtle et al. (2021), "Meta learning via learned loss" (ML3); the shape is that of
    their supervised experiments and of Raymond et al. (2024), who compare with it.

    >>> family = NetworkFamily()
    >>> family.formula(Candidate(None, family.space.start))
    'mean_k[ network(h, y), 2-50-50-1 ]'
    """

    name = "network"
    space: NetworkSpace
    former_settings: ClassVar[Mapping[str, str]] = {"task": "problem"}

    def __init__(
        self,
        hidden: Sequence[int] = (50, 50),
        problem: Problem = "classification",
    ) -> None:
        widths = network_widths(hidden)
        self.hidden = list(hidden)
        self.link = link_of(problem)
        self.problem = problem
        self.space = NetworkSpace.of(widths)

    @classmethod
    def example(cls, problem: Problem = "classification") -> Self:
        """Two small layers."""
        return cls([3, 2], problem)

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each kind of problem."""
        return [cls.example(problem) for problem in PROBLEMS]

    def build(self, candidate: Candidate) -> NetworkLoss:
        """Build the network with the candidate's weights."""
        if candidate.structure is not None:
            raise ValueError(
                "Expected `structure` of a network candidate to be None, got "
                f"{candidate.structure!r}."
            )
        return NetworkLoss(candidate.theta, self.hidden, link=self.link)

    def read(self, loss: LossFunction) -> Candidate:
        """Read the weights of a network of this shape."""
        return Candidate(None, tuple(own_loss(loss, NetworkLoss, self.link).theta.tolist()))

    def formula(self, candidate: Candidate) -> str:
        """Write what the network sees, and its widths; the weights are left out."""
        return self.link.averaged(f"network({self.link.letter}, y), {written(self.space.widths)}")

    def settings(self) -> dict[str, Any]:
        """The settings: hidden layers and kind of problem."""
        return {"hidden": list(self.hidden), "problem": self.problem}


def _drawn(widths: tuple[int, ...], seed: int) -> tuple[float, ...]:
    generator = torch.Generator().manual_seed(seed)
    theta = torch.empty(count_weights(widths), dtype=torch.float64)
    for weight, bias in layers(theta, widths):
        bound = 1 / math.sqrt(weight.shape[1])
        nn.init.uniform_(weight, -bound, bound, generator)
        nn.init.uniform_(bias, -bound, bound, generator)
    return tuple(theta.tolist())
