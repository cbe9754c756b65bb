"""A point of a loss family's search space."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One loss that a search considers, apart from any code that computes it.

    Args:
        structure: The discrete part, e.g. a prefix expression; ``None`` where a family has none.
        theta: The continuous part: polynomial coefficients, network or edge weights.

    Immutable and hashable, so that one type serves archive keys, worker processes and JSON.

    >>> Candidate(None, (0.0, 1.0)) == Candidate(None, (0.0, 1.0))
    True
    """

    structure: str | None
    theta: tuple[float, ...] = ()
