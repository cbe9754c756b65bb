"""Pixels of every kind turned into 8-bit RGB."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

#: What transparent pixels are laid over.
BACKGROUND = (255, 255, 255)

#: An image that stays below this share of the range that was taken for its own had another.
_LEAST_SHARE = 0.25
_BITS_PER_SAMPLE = 258  # TIFF's tag


def to_rgb(image: Image.Image, value_range: tuple[float, float] | None = None) -> Image.Image:
    """Convert an image to 8 bits a channel, whatever it had.

    - Grey of more than 8 bits is scaled from ``value_range`` to [0, 255], rounded and clipped.
      Without a range it is [0, 65535] for 16 bits (a division by 257), [0, 4095] for TIFF files
      that declare 12 bits, and [0, 1] for real numbers that lie there.
    - Transparent pixels are laid over white.
    - Palettes, CMYK and the rest become what Pillow makes of them.

    Args:
        image: Just opened; it is decoded here.
        value_range: The values that are black and white in grey images of more than 8 bits.

    Raises:
        ValueError: If nobody can tell the range of the values, or the image has content that
            does not show over white.

    >>> to_rgb(Image.fromarray(np.array([[0, 257, 65535]], np.uint16))).getpixel((1, 0))
    (1, 1, 1)
    """
    had_16_bits = ";16" in _stored(image)
    image.load()  # some readers turn the image, and only then is its size right
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _scaled(image, value_range).convert("RGB")
    colours = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if had_16_bits:  # Pillow keeps the upper 8
        _check_share(257 * max(_highest(colours)[:3]), 65535, "Save it with 8 bits a channel.")
    return _laid_over_background(colours) if colours.mode == "RGBA" else colours


def check_value_range(value_range: tuple[float, float] | None) -> None:
    """Refuse what is no range of values.

    Raises:
        ValueError: If it does not go from a finite number to a larger one.

    >>> check_value_range((1.0, 0.0))
    Traceback (most recent call last):
    ValueError: Expected argument `value_range` to be two numbers, black and white, the first...
    """
    if value_range is None:
        return
    if len(value_range) != 2 or not -math.inf < value_range[0] < value_range[1] < math.inf:
        raise ValueError(
            "Expected argument `value_range` to be two numbers, black and white, the first below "
            f"the second, got {value_range}."
        )


def _stored(image: Image.Image) -> str:
    """How the file stores its pixels, in Pillow's words; empty if it does not say."""
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return ""
    arguments = image.tile[0][3]
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def _highest(colours: Image.Image) -> list[int]:
    """The largest value of each channel."""
    return [int(np.max(band.getextrema())) for band in colours.split()]


def _is_plain(colours: Image.Image) -> bool:
    """Whether all pixels are the same."""
    return all(len(set(band.getextrema())) == 1 for band in colours.split())


def _scaled(image: Image.Image, value_range: tuple[float, float] | None) -> Image.Image:
    """Bring grey values of more than 8 bits to 8."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers.")
    low, high = value_range or (0.0, _white(image, values))
    eight_bits = np.rint((values - low) * (255 / (high - low))).clip(0, 255)
    return Image.fromarray(eight_bits.astype(np.uint8))


def _white(image: Image.Image, values: NDArray[np.float64]) -> float:
    """The value that stands for white, as the kind of file says."""
    least, most = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        white = 2.0 ** _declared_bits(image) - 1
    elif image.mode == "I" and image.format in ("PPM", "PNG"):
        white = 65535.0  # Pillow has scaled these
    elif image.mode == "F" and least >= 0 and most <= 1:
        white = 1.0
    else:
        raise ValueError(
            f"nobody can tell which of its values, {least:g} to {most:g}, are black and white. "
            "Give them as `value_range`."
        )
    _check_share(
        most,
        white,
        "Give the values that are black and white as `value_range`: 0 and 4095 for 12 bits, 0 and "
        f"{white:g} if it really is that dark.",
    )
    return white


def _declared_bits(image: Image.Image) -> int:
    """The bits of a value as declared: 12 and 16 look alike once Pillow has read them."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 16
    return int(image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0])


def _check_share(most: float, white: float, advice: str) -> None:
    """Refuse values that would all be nearly black."""
    if 0 < most <= _LEAST_SHARE * white:
        raise ValueError(
            f"its largest value is about {most:g} where {white:g} is white, so that it would be "
            f"nearly black. {advice}"
        )


def _laid_over_background(colours: Image.Image) -> Image.Image:
    """Lay an RGBA image over the background."""
    whole = Image.new("RGBA", colours.size, (*BACKGROUND, 255))
    rgb = Image.alpha_composite(whole, colours).convert("RGB")
    if _is_plain(rgb) and not _is_plain(colours):
        raise ValueError(
            "nothing of it shows over white, which transparent pixels are laid over. Save it "
            "without transparency."
        )
    return rgb
