"""Workers that take any work: trainings of an evaluator, local searches of a refiner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Argument = TypeVar("Argument")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Lost:
    """What stands for an outcome that no worker lived to give.

    Args:
        message: What became of the workers.
    """

    message: str


class WorkerPool(ABC):
    """Calls a function in workers, wherever they are.

    Attributes:
        stack: How many candidates a worker is given at once.
    """

    stack: int

    @abstractmethod
    def map(
        self,
        function: Callable[[Argument], Outcome],
        arguments: Sequence[Argument],
        shared: Sequence[object],
    ) -> Iterator[tuple[int, Outcome | Lost]]:
        """Call a function with each of some arguments, whatever worker is free.

        Args:
            function: Of the top level of a module; what it returns depends on its argument alone.
            arguments: Each is sent on its own.
            shared: Large objects within them, such as data, which are sent to a worker once.

        Yields:
            Place of an argument and its outcome, in any order, each once.

        Raises:
            MachineError: If the machine or the data failed.
            RuntimeError: If a worker can't do the work.
        """
