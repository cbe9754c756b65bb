"""The contract of a searcher: ask for candidates, tell what became of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status


class Searcher(ABC):
    """Proposes candidates and learns from their fitness; knows nothing of models or data.

    A subclass writes :meth:`_start`, :meth:`_ask` and :meth:`_tell`, and draws random numbers only
    from generators that it makes in :meth:`_start` out of the seed. Then what it was told is its
    whole state: :meth:`load_state_dict` replays it, which is exact and needs no pickle.

    Attributes:
        refines: Whether evaluations may come back with another theta than was asked (local search).
    """

    refines: ClassVar[bool] = False

    def __init__(self) -> None:
        self._history: list[list[Evaluation]] = []
        self._asked: list[Candidate] | None = None
        self._started = False

    @abstractmethod
    def _start(self, space: Any, seed: int) -> None:
        """Begin anew in ``space``."""

    @abstractmethod
    def _ask(self) -> list[Candidate]:
        """The next generation."""

    @abstractmethod
    def _tell(self, evaluations: list[Evaluation]) -> None:
        """Learn from a generation, in the order in which it was asked.

        Each evaluation has candidate, fitness and status alone, as they are stored.
        """

    @property
    def diversity(self) -> float:
        """How widely the searcher still looks, e.g. the step size of CMA-ES; NaN if it has none."""
        return math.nan

    @property
    def stop_reason(self) -> str | None:
        """Why there is no point in asking again, or ``None``."""
        return None

    @property
    def generation(self) -> int:
        """How many generations were told."""
        return len(self._history)

    @property
    def history(self) -> list[list[Evaluation]]:
        """What was told, generation by generation."""
        return self._history

    def start(self, space: Any, seed: int) -> None:
        """Begin a search in a family's space.

        Raises:
            TypeError: If this searcher can't search such a space.
        """
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
        told = [_from_row(_to_row(item)) for item in evaluations]
        self._tell(told)
        self._history.append(told)
        self._asked = None

    def state_dict(self) -> dict[str, Any]:
        """What was told so far, as plain JSON values."""
        return {"told": [[_to_row(item) for item in told] for told in self._history]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Replay what was told, right after :meth:`start` with the same space and seed.

        Raises:
            RuntimeError: If the search was not started, or told something since.
            ValueError: If the state is none, or the candidates that this searcher asks are not
                those of the state.
        """
        if self.generation:
            raise RuntimeError("Expected `start(space, seed)` right before `load_state_dict()`.")
        try:
            generations = [[_from_row(row) for row in rows] for rows in state["told"]]
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"Expected the stored state of a searcher, got {error!r}.") from None
        for number, told in enumerate(generations):
            if fault := self._fault(self.ask(), told):
                raise ValueError(
                    f"Expected the stored generation {number} to be what this searcher asks for; "
                    "seed, settings or library versions differ from those of the stored search. "
                    f"{fault}"
                )
            self.tell(told)

    def _fault(self, asked: list[Candidate], told: Sequence[Evaluation]) -> str | None:
        """Why these are no evaluations of what was asked."""
        if len(told) != len(asked):
            return f"Expected {len(asked)} evaluations, one a candidate, got {len(told)}."
        for number, (candidate, item) in enumerate(zip(asked, told, strict=True)):
            same = candidate.structure == item.candidate.structure
            if not same or (not self.refines and candidate != item.candidate):
                return f"Expected evaluation {number} to be of {candidate}, got {item.candidate}."
        return None


def _to_row(item: Evaluation) -> list[Any]:
    fitness = item.fitness if math.isfinite(item.fitness) else None
    return [item.candidate.structure, list(item.candidate.theta), fitness, item.status.value]


def _from_row(row: list[Any]) -> Evaluation:
    structure, theta, fitness, status = row
    return Evaluation(
        Candidate(structure, tuple(float(value) for value in theta)),
        fitness=-math.inf if fitness is None else float(fitness),
        status=Status(status),
    )


describe_value.register(Searcher, describe_arguments)
