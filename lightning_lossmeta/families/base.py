"""The contract of a loss family: what can be learned, and how a candidate becomes a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.losses.base import LossFunction


@dataclass(frozen=True)
class VectorSpace:
    """A search space of real vectors.

    Args:
        names: One name a coordinate.
        start: Where a search begins.
    """

    names: tuple[str, ...]
    start: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """How many coordinates a candidate has."""
        return len(self.names)


class LossFamily(ABC):
    """Builds losses out of candidates and reads them back.

    Attributes:
        name: The family's name in an artefact; unique among the families.
        space: What a searcher needs to know, e.g. a :class:`VectorSpace`.
    """

    name: str
    space: Any

    @abstractmethod
    def build(self, candidate: Candidate) -> LossFunction:
        """Make the loss that a candidate stands for.

        Raises:
            ValueError: If the candidate does not belong to this family.
        """

    @abstractmethod
    def read(self, loss: LossFunction) -> Candidate:
        """The candidate of a loss that :meth:`build` made."""

    @abstractmethod
    def formula(self, candidate: Candidate) -> str:
        """The loss as one line of mathematics."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments as plain JSON values: ``type(self)(**settings)`` equals it."""
