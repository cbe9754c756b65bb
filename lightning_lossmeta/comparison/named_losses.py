"""Losses that are given, not learned, as a family: so that evaluators train with them too."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lightning_lossmeta._fingerprint import FingerprintError, fingerprint
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.spaces import FiniteSpace
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.losses.base import LossFunction

if TYPE_CHECKING:
    from typing_extensions import Self


class NamedLosses(LossFamily):
    """A finite family: one candidate a name.

    Args:
        losses: The losses by name.

    Raises:
        ValueError: If there is no loss.
    """

    name = "named"
    space: FiniteSpace
    serializable = False

    def __init__(self, losses: Mapping[str, LossFunction]) -> None:
        if not losses:
            raise ValueError("Expected argument `losses` to hold at least one loss, got none.")
        self.losses = dict(losses)
        self.space = FiniteSpace(tuple(self.losses))

    @classmethod
    def example(cls) -> Self:
        """Two losses."""
        return cls({"CE": CrossEntropy(), "MSE": MeanSquaredError()})

    def candidates(self) -> list[Candidate]:
        """A candidate for each loss, in the order of their names in the mapping."""
        return [Candidate(name) for name in self.space.structures]

    def build(self, candidate: Candidate) -> LossFunction:
        """A copy of the loss of that name."""
        if candidate.structure not in self.losses:
            raise ValueError(f"Expected one of {sorted(self.losses)}, got {candidate.structure!r}.")
        return copy.deepcopy(self.losses[candidate.structure])

    def read(self, loss: LossFunction) -> Candidate:
        """The name of the loss that is equal by value."""
        value = _value(loss)
        for name, named in self.losses.items():
            if _value(named) == value:
                return Candidate(name)
        raise ValueError(f"Expected one of {sorted(self.losses)}, got {loss!r}.")

    def formula(self, candidate: Candidate) -> str:
        """The candidate's name, which stands for its formula."""
        return str(candidate.structure)

    def settings(self) -> dict[str, Any]:
        """Names and values of the losses."""
        return {"losses": {name: _value(loss) for name, loss in self.losses.items()}}


def _value(loss: LossFunction) -> Any:
    """A loss by value; one that has none is equal to itself alone."""
    try:
        return fingerprint(loss)
    except FingerprintError:
        return {"object": id(loss)}
