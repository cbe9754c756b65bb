"""Objects on their way to worker processes: pickled once, sent by number."""

from __future__ import annotations

import copy
import itertools
import pickle
import sys
import weakref

import pytorch_lightning as pl


class _Parcel:
    """An object and its pickle, taken when it was first seen."""

    def __init__(self, thing: object) -> None:
        self.thing = weakref.ref(thing)
        self.prepared = False
        if isinstance(thing, pl.LightningDataModule):
            thing = copy.copy(thing)
            thing.trainer = None  # of an earlier fit: large, and seldom picklable
        self.blob = pickle.dumps(thing)
        if b"__main__" in self.blob and not hasattr(sys.modules["__main__"], "__file__"):
            raise ValueError("it is defined in an interactive session")


class PickleCache:
    """Pickles of objects by number; an object that nobody holds any more is forgotten."""

    def __init__(self) -> None:
        self._parcels: dict[int, _Parcel] = {}
        self._numbers = itertools.count()

    def number(self, thing: object) -> int:
        """The number of an object."""
        for number, parcel in self._parcels.items():
            if parcel.thing() is thing:
                return number
        number = next(self._numbers)
        self._parcels[number] = _Parcel(thing)
        return number

    def blobs(self) -> dict[int, bytes]:
        """The pickles of what is alive."""
        self._parcels = {n: p for n, p in self._parcels.items() if p.thing() is not None}
        return {number: parcel.blob for number, parcel in self._parcels.items()}

    def prepare_data(self, data: pl.LightningDataModule) -> None:
        """Download once in this process, so that the workers find the files."""
        parcel = self._parcels[self.number(data)]
        if not parcel.prepared:
            data.prepare_data()
            parcel.prepared = True
