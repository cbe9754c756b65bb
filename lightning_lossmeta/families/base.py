"""The contract of a loss family: what can be learned, and how a candidate becomes a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lightning_lossmeta._example import HasExample
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.normalisation import Normalisation
from lightning_lossmeta.families.skeleton import Skeleton
from lightning_lossmeta.families.spaces import Space
from lightning_lossmeta.losses.base import LossFunction


class UnusableLossError(ValueError):
    """A candidate that is no loss to train with, e.g. a constant: rejected, not failed."""


@dataclass(frozen=True)
class FrozenCandidate:
    """A candidate in a form that a file can hold, with all that was measured for it.

    Args:
        family: A family that a file can hold, by its name and settings.
        candidate: A candidate of that family.
        normalisation: The affine map applied after the family's loss, if any.
    """

    family: LossFamily
    candidate: Candidate
    normalisation: Normalisation | None = None


class LossFamily(HasExample, ABC):
    """Builds losses out of candidates and reads them back; equal if class and settings are.

    A subclass that needs arguments also overrides :meth:`example`, by which the contract tests make
    it; one for several kinds of problem overrides :meth:`examples`.

    Attributes:
        name: The family's name in an artefact; unique among the families.
        serializable: Whether an artefact can hold it, that is, whether
            ``type(family)(**family.settings()) == family``.
        space: The candidates that a searcher searches, e.g. a
            :class:`~lightning_lossmeta.families.spaces.VectorSpace`.
        later_settings: Settings that older artefacts lack; lacking means the default.
        former_settings: The present name of each setting that older artefacts name otherwise.
    """

    name: ClassVar[str]
    serializable: ClassVar[bool] = True
    later_settings: ClassVar[frozenset[str]] = frozenset()
    former_settings: ClassVar[Mapping[str, str]] = {}
    space: Space

    @abstractmethod
    def build(self, candidate: Candidate) -> LossFunction:
        """Make the loss that a candidate stands for.

        Raises:
            ValueError: If the candidate does not belong to this family.
        """

    @abstractmethod
    def read(self, loss: LossFunction) -> Candidate:
        """Read the candidate back out of a loss that :meth:`build` made."""

    @abstractmethod
    def formula(self, candidate: Candidate) -> str:
        """Write the loss as one line of mathematics."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings that tell this family from others of its class, as plain JSON values.

        They are all arguments of the constructor, where the family is serializable.
        """

    def key(self, candidate: Candidate) -> str:
        """A name of the function that a candidate stands for, by which an archive compares.

        Candidates of equal keys are the same function; the converse need not hold. By default
        candidates are the same if structure and theta are.

        Raises:
            ValueError: If the candidate does not belong to this family.
        """
        theta = [float(value) + 0.0 for value in candidate.theta]  # -0.0 becomes 0.0
        return repr((candidate.structure, theta))

    def skeleton(self, candidate: Candidate) -> Skeleton | None:
        """The part of a candidate that a local search on theta leaves as it is.

        By default ``None``: there is no telling where a local search began.

        Raises:
            ValueError: If the candidate does not belong to this family.
        """
        return None

    def freeze(self, candidate: Candidate) -> FrozenCandidate:
        """The candidate as an artefact stores it.

        A family that measures something for each candidate gives back one that holds the result,
        so that the file's loss is the same to the last bit wherever it is read.

        Raises:
            ValueError: If the candidate does not belong to this family.
        """
        return FrozenCandidate(self, candidate)

    def local_search_obstacle(self) -> str | None:
        """Say why a local search on theta would go wrong here; ``None`` if it would not."""
        return None

    def expression(self, candidate: Candidate) -> Any:
        """The loss of one class, entry or number, averaged over all, in SymPy: for exports.

        Args:
            candidate: A candidate of this family.

        Returns:
            An expression of the :meth:`~lightning_lossmeta.losses.links.Link.symbols` of its link.

        Raises:
            NotImplementedError: If losses of this family are not written entry by entry.
        """
        raise NotImplementedError(f"{type(self).__name__} writes no expression of its losses.")

    def baselines(self) -> dict[str, Candidate]:
        """Usual losses that this family can write, by name; the first is the most usual.

        A search that finds nothing falls back on the best of them.
        """
        return {}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.settings() == other.settings()

    def __hash__(self) -> int:
        return hash((type(self), repr(self.settings())))
