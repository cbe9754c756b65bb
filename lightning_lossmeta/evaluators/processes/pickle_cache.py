"""Objects on their way to worker processes: pickled once, sent by number."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import pytorch_lightning as pl

Kept = TypeVar("Kept")


class PickleCache(Generic[Kept]):
    """What is kept of objects' pickles, by number; an object that nobody holds is forgotten.

    Args:
        keep: Makes of a pickle what is kept of it, such as the name of a file.
        pickler: The pickler's class, which asks for a ``persistent_id`` as pickle's own does.
    """

    def __init__(
        self, keep: Callable[[bytes], Kept], pickler: type[pickle.Pickler] = pickle.Pickler
    ) -> None:
        self._keep = keep
        self._pickler = _by_number(pickler)
        self._entries: dict[int, tuple[weakref.ref[object], Kept]] = {}
        self._numbers = itertools.count()

    def number(self, value: object) -> int:
        """Return the number of an object, which is pickled when it is first seen."""
        for number, (reference, _) in self._entries.items():
            if reference() is value:
                return number
        number = next(self._numbers)
        self._entries[number] = weakref.ref(value), self._keep(self._pickled(value))
        return number

    def kept(self) -> dict[int, Kept]:
        """Return what is kept of the objects that are alive."""
        self._entries = {n: entry for n, entry in self._entries.items() if entry[0]() is not None}
        return {number: kept for number, (_, kept) in self._entries.items()}

    def dumps(self, value: object, *shared: object) -> bytes:
        """Pickle an object, with the numbers of shared objects in their place."""
        numbers = {id(part): self.number(part) for part in shared}
        return self._dumped(value, numbers)

    def _pickled(self, value: object) -> bytes:
        if isinstance(value, pl.LightningDataModule):
            value = copy.copy(value)
            value.trainer = None  # of an earlier fit: large, and seldom picklable
        return self._dumped(value, {})

    def _dumped(self, value: object, numbers: Mapping[int, int]) -> bytes:
        buffer = io.BytesIO()
        self._pickler(buffer, numbers).dump(value)
        return buffer.getvalue()


def loads(pickled: bytes, shared: Mapping[int, object]) -> Any:
    """Unpickle what :meth:`PickleCache.dumps` made, given the shared objects by number."""
    return _Unpickler(io.BytesIO(pickled), shared).load()


def refuse_interactive(pickled: bytes) -> bytes:
    """Give a pickle back.

    Raises:
        ValueError: If it needs a class of a main module that no other process can import.
    """
    if b"__main__" in pickled and not hasattr(sys.modules["__main__"], "__file__"):
        raise ValueError("it is defined in an interactive session")
    return pickled


def _by_number(pickler: Any) -> Any:
    class ByNumber(pickler):  # type: ignore[misc]
        """Writes numbers in the place of shared objects."""

        def __init__(self, file: io.BytesIO, numbers: Mapping[int, int]) -> None:
            super().__init__(file)
            self._numbers = numbers

        def persistent_id(self, value: object) -> int | None:
            return self._numbers.get(id(value))

    return ByNumber


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Mapping[int, object]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: int) -> object:
        return self._shared[number]
