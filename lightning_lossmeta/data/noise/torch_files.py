"""Files of ``torch.save`` with NumPy arrays in them, read without running their code."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

_CODES = {f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)}


def load_plain(path: Path) -> Any:
    """What a file of ``torch.save`` holds: tensors, NumPy arrays of numbers, lists, dicts, text.

    PyTorch's restricted unpickler reads it; where the pickle names NumPy's classes it gets those of
    this file, which know numbers and nothing else. So no function of NumPy sees what the file
    says, and files from NumPy 1 and 2 read alike.

    Args:
        path: The file.

    Raises:
        ValueError: If the file names anything else; nothing of it is run.
        Exception: What PyTorch raises of a damaged file.
    """
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))  # PyTorch's advice is to run the file
        reason = f"it names {named[1]}, which" if named else "it is damaged, or holds what"
        raise ValueError(
            f"{reason} is no tensor, NumPy array, number, text, list or dict"
        ) from error
    return _arrays(content)


class _Dtype:
    """Stands for ``numpy.dtype``: a kind of number."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if code not in _CODES:
            raise ValueError(f"it holds an array of {code!r}, which is no kind of number")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])

    def numbers(self, raw: bytes) -> npt.NDArray[Any]:
        """The numbers whose bytes these are."""
        return np.frombuffer(raw, self.dtype)


class _Array:
    """Stands for ``numpy.ndarray``."""

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
    """The same with NumPy's arrays in place of what stood for them."""
    if isinstance(content, _Array):
        return content.numbers
    if isinstance(content, dict):
        return {key: _arrays(part) for key, part in content.items()}
    if isinstance(content, (list, tuple)):
        return [_arrays(part) for part in content]
    return content


_STAND_INS: list[Any] = [
    (_Dtype, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    *(
        (function, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name, function in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    ),
]
