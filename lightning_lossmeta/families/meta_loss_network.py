"""The family of meta-loss networks (Hai & Liu)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.meta_loss import (
    FixedMetaLossNetwork,
    FreeMetaLossNetwork,
    MetaLossNetwork,
)
from lightning_lossmeta.families.meta_loss_starts import (
    drawn,
    fixed_cross_entropy,
    free_cross_entropy,
)
from lightning_lossmeta.families.spaces import Seed, VectorSpace
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.links import Softmax

if TYPE_CHECKING:
    from typing_extensions import Self

Start = Literal["cross_entropy", "zero", "random"]

#: All starts.
STARTS: tuple[Start, ...] = get_args(Start)


@dataclass(frozen=True)
class DrawnSpace(VectorSpace):
    """A space whose samples are networks as they are initialised, each drawn anew.

    Args:
        names: As of a :class:`~lightning_lossmeta.families.spaces.VectorSpace`.
        start: As there.
        family: Draws the networks.
    """

    family: MetaLossNetworkFamily

    def sample(self, seed: Seed, sigma: float = 0.1) -> Candidate:
        """Draw a network as it is initialised; ``sigma`` has no effect."""
        return self.family.draw(int(np.random.default_rng(seed).integers(2**63)))


class MetaLossNetworkFamily(LossFamily):
    """All meta-loss networks of one shape: 103 weights by default, for any number of classes.

    A network sees the prediction and the target in channels of their own, which convolutions join.
    Its weights are shared by the classes, whose order makes no difference, and it is averaged over
    them: what is learned on ten classes can be used on three or a hundred. With ``num_classes`` it
    is the paper's form instead, which knows each of so many classes apart.

    Args:
        channels: Channels of the prediction, and of the target; not for the paper's form.
        hidden: Units of the convolution that joins them.
        start: Where a search begins: ``"cross_entropy"``, fitted to it by least squares;
            ``"zero"``, all weights zero, which trains nothing until they move; ``"random"``, each
            sample of the space drawn anew.
        num_classes: The number of classes that the paper's form is fixed to; ``None`` for any.

    Raises:
        ValueError: If a number is too small, or the start is unknown.

    Source: Hai & Liu (2021), "Evolving parametrized loss for image classification learning on
    small datasets".

    >>> family = MetaLossNetworkFamily()
    >>> family.formula(Candidate(None, family.space.start))
    'mean_k[ network(h, y), h: 2-3, y: 1-3, joined: 9-8-1 ]'
    """

    name = "meta_loss_network"
    space: VectorSpace

    def __init__(
        self,
        channels: int = 3,
        hidden: int = 8,
        start: Start = "cross_entropy",
        num_classes: int | None = None,
    ) -> None:
        if start not in STARTS:
            raise ValueError(
                f"Expected argument `start` to be one of {list(STARTS)}, got {start!r:.80}."
            )
        self.channels = channels
        self.hidden = hidden
        self.start: Start = start
        self.num_classes = num_classes
        self._shape = self._empty()
        self.space = self._space()

    @classmethod
    def example(cls) -> Self:
        """Few channels."""
        return cls(channels=2, hidden=3)

    def _empty(self) -> MetaLossNetwork:
        """A network of this shape with weights of zero; refuses numbers that make none."""
        c, m, n = self.channels, self.hidden, self.num_classes
        numbers = [c, m] if n is None else [m, n]
        whole = all(isinstance(i, int) and not isinstance(i, bool) and i > 0 for i in numbers)
        if not whole:  # the network's own message
            return self._network(())
        size = 3 * c * (m + 1) + 2 * c + 2 * m if n is None else 2 * n * (n + 1) + 8 * m
        return self._network((0.0,) * size)

    def _network(self, theta: tuple[float, ...]) -> MetaLossNetwork:
        if self.num_classes is None:
            return FreeMetaLossNetwork(theta, self.channels, self.hidden)
        return FixedMetaLossNetwork(theta, self.num_classes, self.hidden)

    def _space(self) -> VectorSpace:
        size = sum(map(math.prod, self._shape.shapes()))
        names = tuple(f"theta{index}" for index in range(size))
        if self.start == "random":
            return DrawnSpace(names, drawn(self._shape, 0), self)
        return VectorSpace(names, (0.0,) * size if self.start == "zero" else self._cross_entropy())

    def _cross_entropy(self) -> tuple[float, ...]:
        if self.num_classes is None:
            return free_cross_entropy(self.channels, self.hidden)
        return fixed_cross_entropy(self.num_classes, self.hidden)

    def draw(self, seed: int) -> Candidate:
        """Draw a network as ``nn.Linear`` would be initialised.

        Args:
            seed: Seed of the draw; global random state is left alone.
        """
        return Candidate(None, drawn(self._shape, seed))

    def build(self, candidate: Candidate) -> MetaLossNetwork:
        """Build the network with the candidate's weights."""
        if candidate.structure is not None:
            raise ValueError(
                "Expected `structure` of a meta-loss network to be None, got "
                f"{candidate.structure!r}."
            )
        return self._network(candidate.theta)

    def read(self, loss: LossFunction) -> Candidate:
        """Read the weights of a network of this shape."""
        own = self._shape
        if (
            not isinstance(loss, MetaLossNetwork)
            or type(loss) is not type(own)
            or loss.shapes() != own.shapes()
        ):
            raise ValueError(
                f"Expected a {type(own).__name__} of {own.written()}, got {type(loss).__name__}."
            )
        return Candidate(None, tuple(loss.theta.tolist()))

    def formula(self, candidate: Candidate) -> str:
        """Write what the network sees, and its widths; the weights are left out."""
        return Softmax().averaged(f"network(h, y), {self._shape.written()}")

    def baselines(self) -> dict[str, Candidate]:
        """Cross-entropy, as near as the network comes to it."""
        return {"cross_entropy": Candidate(None, self._cross_entropy())}

    def settings(self) -> dict[str, Any]:
        """The settings: widths, start and, of the paper's form, the number of classes."""
        return {
            "channels": self.channels,
            "hidden": self.hidden,
            "start": self.start,
            "num_classes": self.num_classes,
        }
