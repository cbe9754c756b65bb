"""Which classes are for learning a loss, for choosing one, and for the last word on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Pool = Literal["train", "val", "test"]


@dataclass(frozen=True)
class ClassPools:
    """Pools of classes that share none.

    Args:
        train: The classes that a search learns on.
        val: Those that finalists and learning rates are chosen on.
        test: Those that losses are compared on.

    Raises:
        ValueError: If a pool has fewer than two classes or one twice, a class is no index, or two
            pools share a class.

    >>> ClassPools(train=[0, 1, 2], val=[2, 3], test=[4, 5])
    Traceback (most recent call last):
    ValueError: Expected pools of classes that share none, got class 2 in `train` and `val`.
    """

    train: Sequence[int]
    val: Sequence[int]
    test: Sequence[int]

    def __post_init__(self) -> None:
        pools = {name: list(getattr(self, name)) for name in ("train", "val", "test")}
        for name, classes in pools.items():
            whole = all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in classes)
            if not whole or len(classes) < 2 or len(set(classes)) < len(classes):
                raise ValueError(
                    f"Expected argument `{name}` to hold at least two class indices, each once, "
                    f"got {classes!r:.200}."
                )
        for one, other in combinations(pools, 2):
            if shared := sorted(set(pools[one]) & set(pools[other])):
                raise ValueError(
                    f"Expected pools of classes that share none, got class {shared[0]} in "
                    f"`{one}` and `{other}`."
                )

    def of(self, pool: Pool) -> list[int]:
        """The classes of a pool, in rising order."""
        return sorted(getattr(self, pool))

    def smallest(self) -> int:
        """How many classes the smallest pool has."""
        return min(len(self.train), len(self.val), len(self.test))
