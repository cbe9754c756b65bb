"""Files of images turned into pixels."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

#: No bar for what takes less.
PROGRESS_SECONDS = 2.0

#: Where encoded bytes are, and what to call them in a message.
Encoded = tuple[Path | BinaryIO, str]


def open_rgb(source: Path | BinaryIO, name: str, size: int | None = None) -> Image.Image:
    """Decode an image to RGB, upright as its EXIF orientation says.

    Args:
        source: The file, of any format that Pillow reads.
        name: What to call it in a message.
        size: Cut to a centred square and scale to this many pixels a side; ``None`` leaves it.

    Raises:
        ValueError: If it can't be decoded.
    """
    try:
        with Image.open(source) as image:
            if size is not None:
                image.draft(
                    "RGB", (2 * size, 2 * size)
                )  # a large JPEG decodes faster at a fraction
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # Pillow's decoders raise whatever their formats lead to
        raise ValueError(
            f"Expected {name} to be an image, but reading it failed: {type(error).__name__}: "
            f"{error} Mend or remove it."
        ) from error
    if size is None:
        return upright
    return ImageOps.fit(upright, (size, size), method=Image.Resampling.BILINEAR)


def decode_all(
    encoded: Callable[[int], Encoded], positions: Iterable[int], size: int | None, title: str
) -> Tensor:
    """Decode images of one size into memory, with a progress bar if that takes seconds.

    Args:
        encoded: Gives the bytes of the image at a position, and its name.
        positions: Which images.
        size: As in :func:`open_rgb`; ``None`` for images that have one size already.
        title: Of the bar.

    Returns:
        (N, 3, H, W), uint8.

    Raises:
        ValueError: If one can't be decoded, or has another size than the first; names it.
    """
    chosen = list(positions)
    pixels: NDArray[np.uint8] | None = None
    with _LateBar(title, len(chosen)) as bar:
        for index, position in enumerate(chosen):
            source, name = encoded(position)
            image = np.asarray(open_rgb(source, name, size))
            if pixels is None:
                pixels = np.empty((len(chosen), *image.shape), np.uint8)
            if image.shape != pixels.shape[1:]:
                height, width = pixels.shape[1:3]
                raise ValueError(
                    f"Expected {name} to have {width} x {height} pixels as the first image, got "
                    f"{image.shape[1]} x {image.shape[0]}. Give `image_size` to scale all images."
                )
            pixels[index] = image
            bar.update(index + 1)
    if pixels is None:
        return torch.empty(0, 3, 0, 0, dtype=torch.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


class _LateBar:
    """A bar that shows once the work has taken a while; none in worker processes and logs."""

    def __init__(self, title: str, total: int) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(TextColumn(title), *columns, console=console, transient=True)
        self._task = self._bar.add_task(title, total=total)
        seen = console.is_terminal or console.is_jupyter
        wanted = seen and multiprocessing.parent_process() is None
        self._due = time.perf_counter() + (PROGRESS_SECONDS if wanted else math.inf)

    def __enter__(self) -> _LateBar:
        return self

    def update(self, done: int) -> None:
        """So many images are done."""
        if time.perf_counter() > self._due:
            self._bar.start()
            self._bar.update(self._task, completed=done)

    def __exit__(self, *args: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
