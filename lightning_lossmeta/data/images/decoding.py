"""Files of images decoded, one by one or all into memory."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from lightning_lossmeta.data.images.late_bar import LateBar
from lightning_lossmeta.data.images.pixels import to_rgb
from lightning_lossmeta.data.limits import check_memory

#: Where encoded bytes are, and what to call them in a message.
Encoded = tuple[Path | BinaryIO, str]

#: Pixels are bytes when decoded and float32 when normalised, both at once for a while.
_BYTES_A_VALUE = 5

#: Pillow's formats that are read: raster images with a signature. Among those left out are
#: some that run another program (EPS) and some that nearly any file passes for (TGA).
_RASTER_FORMATS = {
    "AVIF",
    "BMP",
    "DDS",
    "DIB",
    "FITS",
    "GIF",
    "ICO",
    "JPEG",
    "JPEG2000",
    "MPO",
    "PNG",
    "PPM",
    "PSD",
    "QOI",
    "SGI",
    "TIFF",
    "WEBP",
}


def image_formats() -> list[str]:
    """The formats that are read, as far as this installation of Pillow knows them."""
    Image.init()
    return [name for name in Image.ID if name in _RASTER_FORMATS]


@dataclass(frozen=True)
class ImageDecoder:
    """Decodes images to RGB, upright as their EXIF orientation says.

    Args:
        size: Cut to a centred square and scale to this many pixels a side; ``None`` leaves them.
        value_range: As :func:`~lightning_lossmeta.data.images.pixels.to_rgb` takes it.
        animated: Gets the names of the files that have several frames, of which the first is read.
    """

    size: int | None = None
    value_range: tuple[float, float] | None = None
    animated: list[str] = field(default_factory=list)

    def __call__(self, source: Path | BinaryIO, name: str) -> Image.Image:
        """Decode one image.

        Args:
            source: The path of the file, or the open file.
            name: What to call it in a message.

        Raises:
            ValueError: If it can't be decoded, has more pixels than Pillow allows
                (``PIL.Image.MAX_IMAGE_PIXELS``), or values whose range nobody can tell.
        """
        try:
            if isinstance(source, Path):
                # Pillow maps a TIFF file that it opens itself, and garbles one to be turned.
                with source.open("rb") as file:
                    upright = self._upright(file, name)
            else:
                upright = self._upright(source, name)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError(
                f"Expected {name} to have at most {Image.MAX_IMAGE_PIXELS:,} pixels, which is "
                "PIL.Image.MAX_IMAGE_PIXELS, but it has more. Make it smaller, or remove it."
            ) from error
        except Exception as error:  # Pillow's decoders raise whatever their formats lead to
            raise ValueError(
                f"Expected {name} to be an image, but reading it failed: {_reason(error)} Mend or "
                "remove it."
            ) from error
        if self.size is None:
            return upright
        return ImageOps.fit(upright, (self.size,) * 2, method=Image.Resampling.BILINEAR)

    def _upright(self, source: BinaryIO, name: str) -> Image.Image:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(source, formats=image_formats())
        with image:
            # A photograph in MPO form carries a preview, which is no frame.
            if image.format != "MPO" and getattr(image, "is_animated", False):
                self.animated.append(name)
            if self.size is not None:  # a large JPEG decodes faster at a fraction
                image.draft("RGB", (2 * self.size, 2 * self.size))
            rgb = to_rgb(image, self.value_range)
            # Only now: some readers turn the image while they decode it.
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        rgb.getexif()[ExifTags.Base.Orientation] = orientation
        return ImageOps.exif_transpose(rgb)


def _reason(error: Exception) -> str:
    """Say in a sentence why an image was not read."""
    if isinstance(error, UnidentifiedImageError):
        return "it is in none of the formats that are read."
    if type(error) is ValueError:
        return str(error)
    return f"{type(error).__name__}: {error}"


def decode_all(
    encoded: Callable[[int], Encoded],
    positions: Iterable[int],
    decoder: ImageDecoder,
    title: str,
) -> Tensor:
    """Decode images of one size into memory, with a progress bar if that takes seconds.

    Args:
        encoded: Gives the bytes of the image at a position, and its name.
        positions: The places of the images to decode.
        decoder: Without a size for images that have one size already.
        title: The progress bar's title.

    Returns:
        The pixels, (N, 3, H, W), uint8.

    Raises:
        ValueError: If one can't be decoded, or has another size than the first; names it. If all
            of them would not fit into the machine's memory.
    """
    chosen = list(positions)
    pixels: NDArray[np.uint8] | None = None
    with LateBar(title, len(chosen)) as bar:
        for index, position in enumerate(chosen):
            image = np.asarray(decoder(*encoded(position)))
            if pixels is None:
                _check_fits(len(chosen), image)
                pixels = np.empty((len(chosen), *image.shape), np.uint8)
            if image.shape != pixels.shape[1:]:
                height, width = pixels.shape[1:3]
                raise ValueError(
                    f"Expected {encoded(position)[1]} to have {width} x {height} pixels as the "
                    f"first image, got {image.shape[1]} x {image.shape[0]}. Give `image_size` to "
                    "scale all images."
                )
            pixels[index] = image
            bar.update(index + 1)
    if pixels is None:
        return torch.empty(0, 3, 0, 0, dtype=torch.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _check_fits(count: int, image: NDArray[np.uint8]) -> None:
    height, width = image.shape[:2]
    check_memory(
        count * image.size * _BYTES_A_VALUE,
        f"{count:,} images of {width} x {height} pixels",
        "Give a smaller `image_size` or a `train_size`.",
    )


def warn_user(text: str) -> None:
    """Warn, but not once more from every worker process that reads the same files."""
    if multiprocessing.parent_process() is None:
        warnings.warn(text, stacklevel=2)


def counted(names: list[str], most: int = 3) -> str:
    """The first few of a list of names, and how many there are.

    >>> counted(["a", "b", "c", "d"])
    '4 (a, b, c, ...)'
    """
    shown = [*names[:most], *(["..."] if len(names) > most else [])]
    return f"{len(names)} ({', '.join(shown)})"
