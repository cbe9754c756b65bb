"""Files of ``torch.save`` with NumPy arrays in them, read without running their code."""

from __future__ import annotations

import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch

from lightning_lossmeta.data.limits import MOST_BYTES, check_unpacked_size

_NO_DATA = "is no tensor, NumPy array, number, text, list or dict"
_NAMES_OF_DATA = re.compile(
    r"collections\.OrderedDict|_codecs\.encode|torch\._utils\._rebuild_(tensor(_v[23])?|parameter)"
    r"|torch\.(storage\.)?(\w+Storage|Size|(u?int|float|bfloat)\d+|bool)"
    r"|numpy\.(dtype|ndarray|_?core\.multiarray\.(_reconstruct|scalar))"
)
#: Before PyTorch 1.6: a magic number, a version, the system, the data, the keys of its storages.
_PICKLES_OF_OLD_FILES = 5
_CODES = {f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)}


def load_plain(path: Path) -> Any:
    """Read a file of ``torch.save``: tensors, NumPy arrays of numbers, lists, dicts, text.

    PyTorch's restricted unpickler reads it; where the pickle names NumPy's classes it gets those of
    this file, which know numbers and nothing else. So no function of NumPy sees what the file
    says, and files from NumPy 1 and 2 read alike.

    Args:
        path: The file of ``torch.save``.

    Raises:
        ValueError: If the file names anything else, of which nothing is run, or unpacks to more
            than labels take.
        Exception: What PyTorch raises of a damaged file.
    """
    check_unpacked_size(path, MOST_BYTES)
    _check_names(path)
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))  # PyTorch's advice is to run the file
        reason = f"it names {named[1]}, which" if named else "it is damaged, or holds what"
        raise ValueError(f"{reason} {_NO_DATA}") from error
    return _arrays(content)


def _check_names(path: Path) -> None:
    """Refuse names that no data need, before anything is made of them.

    PyTorch's unpickler knows more of them than tensors take, and some make much of few bytes:
    ``bytearray(10**12)``.

    Raises:
        ValueError: Tells the name.
    """
    for name in _names(path):
        if not _NAMES_OF_DATA.fullmatch(name):
            raise ValueError(f"it names {name}, which {_NO_DATA}")


def _names(path: Path) -> Iterator[str]:
    """List the names that the pickles of a file hold, as far as it can be read."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(_PICKLES_OF_OLD_FILES):
                yield from _names_of_pickle(file)
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(".pkl"):
                with archive.open(member) as file:
                    yield from _names_of_pickle(file)


def _names_of_pickle(file: IO[bytes]) -> Iterator[str]:
    try:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
    except ValueError:
        return  # no pickle, or a damaged one: PyTorch says so


class _Dtype:
    """Stands for ``numpy.dtype``: a kind of number."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if code not in _CODES:
            raise ValueError(f"it holds an array of {code!r}, which is no kind of number")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])

    def numbers(self, raw: bytes) -> npt.NDArray[Any]:
        """Read the numbers out of their bytes."""
        return np.frombuffer(raw, self.dtype)


class _Array:
    """Stands for ``numpy.ndarray``: an array whose numbers are filled in later."""

    numbers: npt.NDArray[Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, by_column, raw = state
        self.numbers = dtype.numbers(raw).reshape(shape, order="F" if by_column else "C")


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    """Stands for the function of NumPy that makes the array to be filled."""
    return _Array()


def _scalar(dtype: _Dtype, raw: bytes) -> Any:
    """Stands for the function of NumPy that makes a number."""
    return dtype.numbers(raw)[0].item()


def _arrays(content: Any) -> Any:
    """Put NumPy's arrays in place of the objects that stood for them.

    Of labels by name and of lists, no deeper: the parts of a pickle may hold one another.
    """
    if isinstance(content, dict):
        return {key: _array_or_list(part) for key, part in content.items()}
    return _array_or_list(content)


def _array_or_list(part: Any) -> Any:
    if isinstance(part, _Array):
        return part.numbers
    if isinstance(part, (list, tuple)):
        return [entry.numbers if isinstance(entry, _Array) else entry for entry in part]
    return part


_STAND_INS: list[Any] = [
    (_Dtype, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    *(
        (function, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name, function in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    ),
]
