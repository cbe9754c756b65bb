"""The best of what a search has evaluated: one evaluation, or a front of several objectives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.searchers.knee import knee


@dataclass(frozen=True)
class FrontEntry:
    """An evaluation that no other one dominates.

    Args:
        generation: The generation in which it was evaluated.
        evaluation: The candidate and its objectives.
    """

    generation: int
    evaluation: Evaluation


class Front:
    """The evaluations that are as good as any other in at least one objective.

    With one objective it holds a single entry, the best, and of equal ones the first. With several
    it holds the Pareto front: those that no other evaluation equals or exceeds in every objective.
    """

    def __init__(self, entries: Sequence[FrontEntry] = ()) -> None:
        self._entries: list[FrontEntry] = []
        for entry in entries:
            self.add(entry.generation, entry.evaluation)

    def __iter__(self) -> Iterator[FrontEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, generation: int, evaluation: Evaluation) -> bool:
        """Take an evaluation in, if it belongs to the front.

        Args:
            generation: The generation in which it was evaluated.
            evaluation: Any; those without scores never belong.

        Returns:
            Whether the front has changed.

        >>> from lightning_lossmeta.candidate import Candidate
        >>> front, loss = Front(), Candidate(None, ())
        >>> [front.add(0, Evaluation.scored(loss, *scores)) for scores in [(1, 0), (0, 1), (0, 0)]]
        [True, True, False]
        """
        if not evaluation.trained or not evaluation.objectives:
            return False
        if any(_covers(entry.evaluation, evaluation) for entry in self._entries):
            return False
        kept = [entry for entry in self._entries if not _covers(evaluation, entry.evaluation)]
        self._entries = [*kept, FrontEntry(generation, evaluation)]
        return True

    @property
    def best(self) -> FrontEntry | None:
        """The entry with the highest fitness, of equal ones the first; ``None`` if it is empty."""
        return max(self._entries, key=lambda entry: entry.evaluation.fitness, default=None)

    @property
    def knee(self) -> FrontEntry | None:
        """The :func:`~lightning_lossmeta.searchers.knee.knee`; ``None`` if the front is empty."""
        if not self._entries:
            return None
        known = [entry.evaluation for entry in self._entries]
        return self._entries[knee([e.objectives for e in known], [e.fitness for e in known])]


def _covers(one: Evaluation, other: Evaluation) -> bool:
    """Whether one is at least as good as another in every objective."""
    return all(a >= b for a, b in zip(one.objectives, other.objectives, strict=True))
