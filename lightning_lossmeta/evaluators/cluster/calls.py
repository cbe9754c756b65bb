"""Work on its way to a worker of a cluster, and what the worker does with it."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lightning_lossmeta.evaluators.processes.pickle_cache import loads
from lightning_lossmeta.training.faults import MachineError, machine_error
from lightning_lossmeta.training.threads import torch_threads


@dataclass(frozen=True)
class Call:
    """A function and its argument, on their way to a worker.

    Args:
        pickled: Both, with numbers in place of shared objects.
        shared: By number where the pickles are of the shared objects that are alive in the driver.
        sender: Whose numbers these are.
        threads: How many threads PyTorch uses, whatever the worker's machine has.
        path: Where the driver looks for modules, the user's own among them.
    """

    pickled: bytes
    shared: Mapping[int, Any]
    sender: str
    threads: int
    path: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """Why a worker could not do a call.

    Args:
        message: What it raised.
    """

    message: str


#: What this worker has of each sender's shared objects.
_shared: dict[str, dict[int, object]] = {}


def perform(call: Call, fetch: Callable[[Any], bytes]) -> Any:
    """Do a call in this worker, which keeps the shared objects for the next one.

    Args:
        call: What to do.
        fetch: Gets the pickle of a shared object from where it is.

    Returns:
        What the function returned, or the :class:`Fault` or ``MachineError`` that came up.
    """
    sys.path += [folder for folder in call.path if folder not in sys.path]
    known = _shared.setdefault(call.sender, {})
    for number in known.keys() - call.shared.keys():
        del known[number]
    try:
        function, argument = loads(call.pickled, _Fetched(known, call.shared, fetch))
        with torch_threads(call.threads):
            return function(argument)
    except MachineError as error:
        return error
    except Exception as error:  # whatever the user's classes raise
        return machine_error(error) or Fault(f"{type(error).__name__}: {error}")


class _Fetched(dict[int, object]):
    """Shared objects by number, which are fetched when they are first looked up."""

    def __init__(
        self,
        known: dict[int, object],
        places: Mapping[int, Any],
        fetch: Callable[[Any], bytes],
    ) -> None:
        super().__init__()
        self._known, self._places, self._fetch = known, places, fetch

    def __missing__(self, number: int) -> object:
        if number not in self._known:
            self._known[number] = pickle.loads(self._fetch(self._places[number]))
        return self._known[number]
