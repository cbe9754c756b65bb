"""The contract of a searcher: ask for candidates, tell what became of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families.spaces import Space
from lightning_lossmeta.task import Objective


class Searcher(HasExample, ABC):
    """Proposes candidates and learns from their scores; knows nothing of models or data.

    A subclass writes :meth:`_start`, :meth:`_ask` and :meth:`_tell`, and draws random numbers only
    from generators that it makes in :meth:`_start` out of the seed. Then its history is its
    whole state: :meth:`replay` repeats it, which is exact and needs no pickle. One that needs
    arguments also overrides :meth:`example`, by which the contract tests make it.

    Attributes:
        accepts_refined: Whether evaluations may come back with another theta than was asked, as a
            local search leaves it.
        accepts: Kinds of space that it can search; :meth:`start` refuses the others.
        seeks_front: Whether it looks for a whole front of several objectives in place of the
            largest fitness. :meth:`start` then refuses a single objective, and a search ends with
            the knee of its front.
        objectives: What evaluations are scored by; known once the search has started.
    """

    accepts_refined: ClassVar[bool] = False
    accepts: ClassVar[tuple[type[Space], ...]] = (Space,)
    seeks_front: ClassVar[bool] = False
    objectives: tuple[Objective, ...] = (Objective(),)

    def __init__(self) -> None:
        self._history: list[list[Evaluation]] = []
        self._asked: list[Candidate] | None = None
        self._started = False

    @abstractmethod
    def _start(self, space: Any, seed: int) -> None:
        """Begin anew in ``space``, one of those that :attr:`accepts` names.

        :attr:`objectives` are set by then.
        """

    @abstractmethod
    def _ask(self) -> list[Candidate]:
        """The next generation."""

    @abstractmethod
    def _tell(self, evaluations: list[Evaluation]) -> None:
        """Learn from a generation, in the order in which it was asked.

        Each evaluation has candidate, objectives, weights and status alone, as they are stored.
        """

    @property
    def diversity(self) -> float:
        """How widely the searcher still looks, e.g. the step size of CMA-ES; NaN if it has none."""
        return math.nan

    @property
    def recommendation(self) -> Candidate | None:
        """A candidate that it believes in beside those that it asked for, or ``None``."""
        return None

    @property
    def recommendations(self) -> list[Candidate]:
        """All that it recommends; more than one where it holds several searches."""
        return [] if self.recommendation is None else [self.recommendation]

    @property
    def stop_reason(self) -> str | None:
        """Why there is no point in asking again, or ``None``."""
        return None

    @property
    def generation(self) -> int:
        """How many generations the history holds."""
        return len(self._history)

    @property
    def history(self) -> list[list[Evaluation]]:
        """The evaluations that the searcher learned from, generation by generation."""
        return self._history

    def start(
        self, space: Space, seed: int, objectives: Sequence[Objective] = (Objective(),)
    ) -> None:
        """Begin a search in a family's space.

        Args:
            space: The space that candidates are points of.
            seed: All that is drawn derives from it.
            objectives: What evaluations will be scored by.

        Raises:
            TypeError: If this searcher can't search such a space.
            ValueError: If it can't search for so few objectives.
        """
        if not isinstance(space, self.accepts):
            kinds = " or ".join(kind.__name__ for kind in self.accepts)
            raise TypeError(
                f"Expected a family whose space is of kind {kinds} for {type(self).__name__}, got "
                f"{type(space).__name__}: choose another family or searcher."
            )
        if self.seeks_front and len(objectives) < 2:
            raise ValueError(
                f"Expected at least 2 objectives for {type(self).__name__}, which looks for a "
                f"front of several, got {[item.monitor for item in objectives]}: name more in the "
                "session's `objectives`, or choose another searcher, e.g. CMAESSearcher."
            )
        self.objectives = tuple(objectives)
        self._start(space, seed)
        self._history, self._asked, self._started = [], None, True

    def ask(self) -> list[Candidate]:
        """The next generation; asked twice without a ``tell``, it is the same.

        Raises:
            RuntimeError: If the search was not started.
        """
        if not self._started:
            raise RuntimeError("Expected `start(space, seed)` before `ask()`.")
        if self._asked is None:
            self._asked = self._ask()
        return list(self._asked)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn what became of the candidates that were asked, in their order.

        Raises:
            RuntimeError: If nothing was asked.
            ValueError: If these are not evaluations of the candidates that were asked.
        """
        if self._asked is None:
            raise RuntimeError("Expected `ask()` before `tell()`.")
        if fault := self._fault(self._asked, evaluations):
            raise ValueError(fault)
        generation = [evaluation_of(row_of(item), self.objectives) for item in evaluations]
        self._tell(generation)
        self._history.append(generation)
        self._asked = None

    def state_dict(self) -> dict[str, Any]:
        """What the history does not show, as small JSON values; by default nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Check a stored state against the one that :meth:`replay` led to.

        Raises:
            ValueError: If they differ.
        """
        if state != self.state_dict():
            raise ValueError(
                "Expected the stored state of the searcher to be what its history leads to; seed, "
                "settings or library versions differ from those of the stored search."
            )

    def replay(self, generations: Sequence[Sequence[Sequence[Any]]]) -> None:
        """Tell a stored history again, right after :meth:`start` with the same space and seed.

        Args:
            generations: Rows of evaluations as :func:`row_of` writes them.

        Raises:
            RuntimeError: If the search was not started, or has a history already.
            ValueError: If rows are no evaluations, or this searcher asks for other candidates.
        """
        if self.generation or not self._started:
            raise RuntimeError("Expected `start(space, seed)` right before `replay()`.")
        for number, rows in enumerate(generations):
            try:
                evaluations = [evaluation_of(row, self.objectives) for row in rows]
            except (LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"Expected generation {number} of a stored search to hold evaluations, got "
                    f"{error!r}."
                ) from None
            if fault := self._fault(self.ask(), evaluations):
                raise ValueError(
                    f"Expected the stored generation {number} to be what this searcher asks for; "
                    "seed, settings or library versions differ from those of the stored search. "
                    f"{fault}"
                )
            self.tell(evaluations)

    def _fault(self, asked: list[Candidate], evaluations: Sequence[Evaluation]) -> str | None:
        """Why these are no evaluations of the candidates that were asked; ``None`` if they are."""
        if len(evaluations) != len(asked):
            return f"Expected {len(asked)} evaluations, one a candidate, got {len(evaluations)}."
        for number, (candidate, item) in enumerate(zip(asked, evaluations, strict=True)):
            same = candidate.structure == item.candidate.structure
            if not same or (not self.accepts_refined and candidate != item.candidate):
                return f"Expected evaluation {number} to be of {candidate}, got {item.candidate}."
        return None


def row_of(item: Evaluation) -> list[Any]:
    """What a searcher learns from an evaluation, as plain JSON values.

    Objectives that are not all finite are left out, as are those of a candidate without a score.
    """
    objectives = list(item.objectives) if all(map(math.isfinite, item.objectives)) else []
    return [
        item.candidate.structure,
        list(item.candidate.theta),
        objectives,
        item.status.value,
    ]


def evaluation_of(row: Sequence[Any], objectives: Sequence[Objective]) -> Evaluation:
    """The evaluation that a row stands for.

    Args:
        row: As :func:`row_of` writes it.
        objectives: Objectives of the search, whose weights make the fitness.

    Raises:
        ValueError: If it is no such row, or has another number of objectives.
    """
    structure, theta, values, status = row
    if values and len(values) != len(objectives):
        raise ValueError(f"Expected {len(objectives)} objectives of a candidate, got {values}.")
    return Evaluation(
        Candidate(structure, tuple(float(value) for value in theta)),
        tuple(float(value) for value in values),
        Status(status),
        tuple(objective.weight for objective in objectives),
    )


describe_value.register(Searcher, describe_arguments)
