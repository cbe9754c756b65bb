"""Random numbers for DEAP, which draws them from Python's own module."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


class IsolatedRandom:
    """A state of Python's ``random`` module, kept apart from that of everybody else.

    Args:
        seed: The seed that the state begins with.

    >>> own, alone = IsolatedRandom(7), random.Random(7)
    >>> with own.active():
    ...     random.random() == alone.random()
    True
    """

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Have the module draw from this state, then give it back its own."""
        outside = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(outside)
