"""JPEG images end to end in an ``.npz`` file."""

from __future__ import annotations

import glob
import io
import os
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightning_lossmeta.data.images.decoded import DecodedImageDataModule, EncodedImages
from lightning_lossmeta.data.images.decoding import Encoded
from lightning_lossmeta.data.limits import (
    MOST_BYTES,
    MOST_LABELS,
    MOST_UNPACKING,
    check_unpacked_size,
)

_ARRAYS = ("jpeg", "offsets", "labels", "classes")


@dataclass(frozen=True)
class JPEGArchive:
    """The contents of a file of JPEG images end to end, checked.

    Args:
        path: Where the file lies, for messages.
        jpeg: The bytes of all images end to end, (bytes,), uint8.
        offsets: Where each image begins, and the last one ends, (N + 1,): image i is
            ``jpeg[offsets[i]:offsets[i + 1]]``.
        labels: The class index of each image, (N,).
        classes: The names of the classes.

    Raises:
        ValueError: If these do not fit together; names the file and the first image at fault.
    """

    path: str
    jpeg: NDArray[np.uint8]
    offsets: NDArray[np.integer[Any]]
    labels: NDArray[np.integer[Any]]
    classes: list[str]

    def __post_init__(self) -> None:
        self._need(self.jpeg.dtype == np.uint8 and self.jpeg.ndim == 1, "`jpeg` to be bytes")
        for name, array in (("offsets", self.offsets), ("labels", self.labels)):
            whole = np.issubdtype(array.dtype, np.integer) and array.ndim == 1
            self._need(whole, f"`{name}` to be a row of integers, got {array.dtype}")
        count = len(self.labels)
        self._need(
            count > 0 and len(self.offsets) == count + 1,
            f"`offsets` to hold one number more than `labels`, got {len(self.offsets)} and {count}",
        )
        starts, ends = self.offsets[:-1], self.offsets[1:]
        wrong = (starts < 0) | (ends <= starts) | (ends > len(self.jpeg))
        if wrong.any():
            at = int(wrong.argmax())
            self._need(
                False,
                f"image {at} to be some of the {len(self.jpeg)} bytes of `jpeg`, got bytes "
                f"{starts[at]} to {ends[at]}",
            )
        wrong = (self.labels < 0) | (self.labels >= len(self.classes))
        if wrong.any():
            at = int(wrong.argmax())
            self._need(
                False,
                f"the label of image {at} to be in [0, {len(self.classes)}) for as many `classes`, "
                f"got {self.labels[at]}",
            )

    def _need(self, holds: Any, text: str) -> None:
        if not holds:
            raise ValueError(f"Expected '{self.path}' to be an archive of images: {text}.")

    @classmethod
    def read(cls, path: str) -> JPEGArchive:
        """Read a file; nothing in it is executed.

        Args:
            path: A ``.npz`` file of arrays ``jpeg``, ``offsets``, ``labels`` and ``classes``.

        Raises:
            ValueError: If it is none, or unpacks to far more than images would.
        """
        try:
            arrays = _unpacked(Path(path))
        except Exception as error:  # damaged files make the unpackers raise all sorts
            raise ValueError(
                f"Expected '{path}' to be a .npz file of plain arrays, but reading it failed: "
                f"{error}"
            ) from error
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise ValueError(
                f"Expected '{path}' to hold the arrays {', '.join(_ARRAYS)}, but "
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there."
            )
        jpeg, offsets, labels, classes = (arrays[name] for name in _ARRAYS)
        if classes.size > MOST_LABELS:
            raise ValueError(
                f"Expected '{path}' to be an archive of images: `classes` to be names, got "
                f"{classes.size:,} of them."
            )
        return cls(path, jpeg, offsets, labels, [str(name) for name in classes.reshape(-1)])

    def images(self) -> EncodedImages:
        """The images of the file, not yet decoded."""

        def encoded(position: int) -> Encoded:
            start, end = int(self.offsets[position]), int(self.offsets[position + 1])
            name = f"image {position} of '{self.path}'"
            return io.BytesIO(self.jpeg[start:end].tobytes()), name

        labels = torch.from_numpy(self.labels.astype(np.int64))
        return EncodedImages(labels, encoded, torch.arange(len(labels)))


def _unpacked(path: Path) -> dict[str, NDArray[Any]]:
    """Unpack the arrays that a file holds, by name."""
    check_unpacked_size(path, max(MOST_BYTES, MOST_UNPACKING * path.stat().st_size))
    with zipfile.ZipFile(path) as file:
        names = {Path(name).stem for name in file.namelist()}
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in _ARRAYS if name in names}


class JPEGArchiveDataModule(DecodedImageDataModule):
    """Two ``.npz`` files of JPEG images, of which the training file gives validation too.

    Each holds ``jpeg`` (all images end to end, uint8), ``offsets`` (image i is
    ``jpeg[offsets[i]:offsets[i + 1]]``), ``labels`` and ``classes``. Inputs are (B, 3, H, W).

    Args:
        root: The folder of the two files.
        train_file: The name of the training file, or a pattern that only its name matches.
        test_file: The name of the test file, or a pattern that only its name matches.
        **kwargs: Those of :class:`~lightning_lossmeta.data.images.decoded.DecodedImageDataModule`.

    Raises:
        FileNotFoundError: When reading, if a pattern matches no file or several.
        ValueError: When reading, if a file is no such archive; names the image at fault.
    """

    def __init__(
        self,
        root: str,
        train_file: str = "*train*.npz",
        test_file: str = "*test*.npz",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root = os.path.expanduser(root)
        self.train_file = train_file
        self.test_file = test_file

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes as the training file has them."""
        return JPEGArchive.read(self._path("train_file", self.train_file)).classes

    def parts(self) -> tuple[EncodedImages, EncodedImages | None, EncodedImages | None]:
        """Read the training and the test file."""
        train = JPEGArchive.read(self._path("train_file", self.train_file))
        test = JPEGArchive.read(self._path("test_file", self.test_file))
        if train.classes != test.classes:
            raise ValueError(
                f"Expected '{test.path}' to have the classes of '{train.path}', {train.classes}, "
                f"got {test.classes}."
            )
        self.classes = train.classes
        return train.images(), None, test.images()

    def _path(self, argument: str, pattern: str) -> str:
        """The one file that a pattern matches."""
        paths = sorted(glob.glob(str(Path(glob.escape(self.root)) / pattern)))
        if len(paths) != 1:
            raise FileNotFoundError(
                f"Expected argument `{argument}` to match one file in '{self.root}', got "
                f"{', '.join(paths) or 'none'} for '{pattern}'."
            )
        return paths[0]
