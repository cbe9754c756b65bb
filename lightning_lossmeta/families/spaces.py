"""Spaces of candidates, which searchers search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from lightning_lossmeta.candidate import Candidate

#: A seed, or a generator whose draws go on from where it is.
Seed = int | np.random.Generator


class Space(ABC):
    """The candidates of a family, as far as a searcher has to know them.

    A searcher says by ``accepts`` which kinds of space it can search.
    """

    @abstractmethod
    def sample(self, seed: Seed) -> Candidate:
        """Draw a candidate at random; global random state is left alone.

        Args:
            seed: An integer, or a NumPy generator, which is drawn from.
        """

    def theta_names(self, candidate: Candidate) -> tuple[str, ...]:
        """One name for each number of a candidate's theta, as tables show it."""
        return tuple(f"theta{index}" for index in range(len(candidate.theta)))


@dataclass(frozen=True)
class VectorSpace(Space):
    """A search space of real vectors.

    Args:
        names: The names of the coordinates.
        start: The point that a search begins with.

    Raises:
        ValueError: If there are not as many names as coordinates of the start.

    >>> VectorSpace(("a", "b"), (0.0, 1.0)).sample(seed=0, sigma=0.0)
    Candidate(structure=None, theta=(0.0, 1.0))
    """

    names: tuple[str, ...]
    start: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.start):
            raise ValueError(
                "Expected arguments `names` and `start` to be of one length, got "
                f"{len(self.names)} names of {len(self.start)} coordinates."
            )

    @property
    def dimension(self) -> int:
        """How many coordinates a candidate has."""
        return len(self.names)

    def sample(self, seed: Seed, sigma: float = 0.1) -> Candidate:
        """Draw a point: the start with normal noise of standard deviation ``sigma``.

        Subclasses whose points have an initialisation of their own, such as the weights of a
        network, draw that instead.
        """
        noise = np.random.default_rng(seed).standard_normal(self.dimension)
        return Candidate(None, tuple((np.asarray(self.start) + sigma * noise).tolist()))

    def theta_names(self, candidate: Candidate) -> tuple[str, ...]:
        """The names of the coordinates."""
        return self.names


@dataclass(frozen=True)
class FiniteSpace(Space):
    """A search space of finitely many structures, which have no theta.

    Args:
        structures: All of them, each once.

    Raises:
        ValueError: If there is none.

    >>> FiniteSpace(("only",)).sample(seed=0)
    Candidate(structure='only', theta=())
    """

    structures: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.structures:
            raise ValueError("Expected argument `structures` to hold at least one, got none.")

    def sample(self, seed: Seed) -> Candidate:
        """Draw one of the structures, all with equal probability."""
        index = int(np.random.default_rng(seed).integers(len(self.structures)))
        return Candidate(self.structures[index])
