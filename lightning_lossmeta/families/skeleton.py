"""The part of a candidate that a local search leaves as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """A candidate without its theta, so that one theta can be moved to another candidate.

    Two candidates of one key are the same function wherever their theta are the same *as arranged*:
    each may write the parts of its structure, and theta with them, in an order of its own.

    Args:
        key: Equal for candidates that differ in theta, or in how they are written, alone.
        order: The place in theta of each number as arranged; a permutation.
        untouched: Whether theta is what a searcher gives a new structure, so that a local search
            has not been here.

    >>> skeleton = Skeleton("key", order=(2, 0, 1), untouched=False)
    >>> skeleton.arrange((0.1, 0.2, 0.3))
    (0.3, 0.1, 0.2)
    >>> skeleton.restore((0.3, 0.1, 0.2))
    (0.1, 0.2, 0.3)
    """

    key: str
    order: tuple[int, ...]
    untouched: bool

    def arrange(self, theta: Sequence[float]) -> tuple[float, ...]:
        """Bring a theta of this candidate to the order that all candidates of the key share."""
        return tuple(theta[place] for place in self.order)

    def restore(self, arranged: Sequence[float]) -> tuple[float, ...]:
        """Bring an arranged theta back to this candidate's own order."""
        by_place = dict(zip(self.order, arranged, strict=True))
        return tuple(by_place[place] for place in range(len(by_place)))
