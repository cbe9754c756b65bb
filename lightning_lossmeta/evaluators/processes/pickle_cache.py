"""Objects on their way to worker processes: pickled once, sent by number."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import sys
import weakref
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl


class PickleCache:
    """Pickles of objects by number; an object that nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[object], bytes]] = {}
        self._numbers = itertools.count()

    def number(self, value: object) -> int:
        """Return the number of an object, which is pickled when it is first seen."""
        for number, (reference, _) in self._entries.items():
            if reference() is value:
                return number
        number = next(self._numbers)
        self._entries[number] = weakref.ref(value), _pickled(value)
        return number

    def pickles(self) -> dict[int, bytes]:
        """Return the pickles of the objects that are alive."""
        self._entries = {n: entry for n, entry in self._entries.items() if entry[0]() is not None}
        return {number: pickled for number, (_, pickled) in self._entries.items()}

    def dumps(self, value: object, *shared: object) -> bytes:
        """Pickle an object, with the numbers of shared objects in their place."""
        buffer = io.BytesIO()
        _Pickler(buffer, {id(part): self.number(part) for part in shared}).dump(value)
        return buffer.getvalue()


def loads(pickled: bytes, shared: Mapping[int, object]) -> Any:
    """Unpickle what :meth:`PickleCache.dumps` made, given the shared objects by number."""
    return _Unpickler(io.BytesIO(pickled), shared).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, numbers: Mapping[int, int]) -> None:
        super().__init__(file)
        self._numbers = numbers

    def persistent_id(self, value: object) -> int | None:
        return self._numbers.get(id(value))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Mapping[int, object]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: int) -> object:
        return self._shared[number]


def _pickled(value: object) -> bytes:
    if isinstance(value, pl.LightningDataModule):
        value = copy.copy(value)
        value.trainer = None  # of an earlier fit: large, and seldom picklable
    pickled = pickle.dumps(value)
    if b"__main__" in pickled and not hasattr(sys.modules["__main__"], "__file__"):
        raise ValueError("it is defined in an interactive session")
    return pickled
