"""Label files, read without running what they hold."""

from __future__ import annotations

import csv
import errno
import json
import re
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_lossmeta.data.limits import (
    MOST_BYTES,
    MOST_LABELS,
    MOST_TEXT_BYTES,
    check_file_size,
    check_unpacked_size,
)
from lightning_lossmeta.data.noise.torch_files import load_plain


def read_labels(path: str | Path, key: str | None = None) -> Tensor:
    """Read the labels of a file, in its order.

    What the file ends in tells its form: ``.pt`` and ``.pth`` (saved by ``torch.save``), ``.npy``,
    ``.npz``, ``.json``, ``.csv`` (columns, with a header or of labels alone), ``.txt`` (a label a
    line). A ``.pt`` file may hold tensors, NumPy arrays, numbers, lists and dicts; anything else is
    refused, and none of its code is run.

    Args:
        path: The file of labels.
        key: Which labels to take, where the file holds several by name; not needed where it holds
            one.

    Returns:
        The labels, (N,), int64, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read, ``key`` is not there or is needed, the labels are not
            whole numbers, or the file asks for more memory than labels take.
    """
    path = Path(path)
    tables = label_tables(path)
    name = next(iter(tables)) if key is None and len(tables) == 1 else key
    if name is None or name not in tables:
        named = ", ".join(column or "labels without a name" for column in tables)
        raise ValueError(
            f"Expected argument `key` to be one of what '{path}' holds ({named}), got {key!r}."
        )
    return _whole_numbers(tables[name], f"'{path}'" + (f" ({name})" if name else ""))


def label_tables(path: Path) -> Mapping[str, Any]:
    """Read all labels of a file by name; those without a name stand under the empty one.

    Args:
        path: The file of labels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read.
    """
    check_form(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of labels at '{path}', but there is none.")
    try:
        is_text = path.suffix.lower() in _TEXTS
        check_file_size(path, MOST_TEXT_BYTES if is_text else MOST_BYTES)
        content = _READERS[path.suffix.lower()](path)
    except Exception as error:  # each parser has its own for a damaged file
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk's fault; a place before the file's start is the file's
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"Expected '{path}' to hold labels and nothing else, but it can't be read: {reason}"
        ) from error
    if isinstance(content, Mapping):
        return {str(name): part for name, part in content.items()}
    return {"": content}


def check_form(path: Path) -> None:
    """Refuse a file whose form is unknown.

    Raises:
        ValueError: If the name does not end in one of those that :func:`read_labels` knows.
    """
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"Expected argument `path` to end in {', '.join(_READERS)}, got '{path}'.")


def _read_npy(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)  # what its head says is not taken yet


def _read_npz(path: Path) -> Any:
    check_unpacked_size(path, MOST_BYTES)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_text(path: Path) -> Any:
    words = path.read_text(encoding="utf-8").split()
    wrong = next((word for word in words if not _is_number(word)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r:.40} is no number")
    return words


def _read_csv(path: Path) -> Any:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(islice(filter(None, csv.reader(file)), MOST_LABELS + 2))
    if not rows:
        raise ValueError("it is empty")
    header = [name.strip() for name in rows[0]]
    if all(map(_is_number, header)):
        header = [""] if len(header) == 1 else [str(number) for number in range(len(header))]
    else:
        rows = rows[1:]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"its rows are not all of {len(header)} columns")
    return {name: [row[column] for row in rows] for column, name in enumerate(header)}


def _is_number(text: str) -> bool:
    """Whether a text is one number in plain digits; Python's own reading takes ``1_2`` for 12."""
    return _NUMBER.fullmatch(text.strip()) is not None


def _whole_numbers(labels: Any, what: str) -> Tensor:
    """Convert a list, an array or a tensor to whole numbers, (N,), int64."""
    if _count(labels) > MOST_LABELS:
        raise ValueError(
            f"Expected {what} to hold at most {MOST_LABELS:,} labels, got {_count(labels):,}."
        )
    exact = _flat_numbers(labels)
    small = bool((np.abs(exact) < 2**31).all())  # which no NaN is
    if exact.ndim != 1 or not exact.size or not small or bool((exact != np.floor(exact)).any()):
        raise ValueError(
            f"Expected the labels of {what} to be a list of whole numbers, at least one."
        )
    return torch.from_numpy(exact.astype(np.int64))


def _count(labels: Any) -> int:
    """How many values there are, before any is looked at: files can say what they do not hold."""
    if isinstance(labels, Tensor):
        return labels.numel()
    if isinstance(labels, np.ndarray):
        return labels.size
    return len(labels) if isinstance(labels, list) else 1


def _is_one_value(label: Any) -> bool:
    """Whether an entry of a list is a number, not a text or more entries."""
    is_scalar = isinstance(label, (Tensor, np.ndarray)) and label.ndim == 0
    return is_scalar or isinstance(label, (int, float))


def _flat_numbers(labels: Any) -> NDArray[np.float64]:
    """Convert to numbers, (N,), float64; NaN in place of what is no row of numbers."""
    nothing = np.full(1, np.nan)
    if isinstance(labels, list):  # lists that hold one another would be unfolded
        texts = all(isinstance(label, str) and _is_number(label) for label in labels)
        if not texts and not all(map(_is_one_value, labels)):
            return nothing
    try:
        return np.asarray(labels).astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return nothing


_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TEXTS = {".json", ".csv", ".txt"}
_READERS: dict[str, Callable[[Path], Any]] = {
    ".pt": load_plain,
    ".pth": load_plain,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".json": _read_json,
    ".csv": _read_csv,
    ".txt": _read_text,
}
