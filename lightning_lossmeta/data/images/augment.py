"""Flips, crops and Cutout of whole batches, on whatever device they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import pad

from lightning_lossmeta._validation import check_at_least


def flip(inputs: Tensor, flipped: Tensor) -> Tensor:
    """Mirror some of the images left to right.

    Args:
        inputs: Images, (B, C, H, W).
        flipped: Which of the images to mirror, (B,), bool.
    """
    return torch.where(flipped[:, None, None, None], inputs.flip(-1), inputs)


def crop(inputs: Tensor, top: Tensor, left: Tensor, padding: int) -> Tensor:
    """Cut a window of the same size out of each image, padded by zeros on all sides.

    Args:
        inputs: Images, (B, C, H, W).
        top: The window's first row in the padded image, (B,), int64 in [0, 2 padding].
        left: The window's first column, (B,), int64 in [0, 2 padding].
        padding: How many zeros are put on each side.
    """
    batch, _, height, width = inputs.shape
    windows = pad(inputs, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(batch, device=inputs.device), :, top, left]


def cutout(inputs: Tensor, row: Tensor, column: Tensor, length: int) -> Tensor:
    """Put zeros in a square of each image; what of it lies outside of the image is lost.

    Args:
        inputs: Images, (B, C, H, W).
        row: The row of the square's centre, (B,), int64 in [0, H); the square's first row is
            row - length // 2.
        column: The column of the square's centre, (B,), int64 in [0, W).
        length: How many pixels a side of the square has.
    """
    height, width = inputs.shape[-2:]
    rows = _within(row, length, height)[:, None, :, None]
    columns = _within(column, length, width)[:, None, None, :]
    return inputs.masked_fill(rows & columns, 0)


def _within(centre: Tensor, length: int, size: int) -> Tensor:
    """Which places of an axis lie in each image's square, (B, size), bool."""
    offset = torch.arange(size, device=centre.device) - (centre - length // 2)[:, None]
    return (offset >= 0) & (offset < length)


@dataclass(frozen=True)
class Augmentation:
    """Random crops, then flips, then Cutout, drawn for each image on its own.

    Made for normalised images: padding and cut squares are zeros, the mean colour of the data, so
    that they leave the mean of what the network sees where it was.

    All five numbers of an image are drawn, whatever is switched on, from PyTorch's global generator
    of the CPU: a seed fixes them on every device, and squares do not change the crops.

    Args:
        flip: Mirror each image left to right with probability 1/2. Not for digits or text.
        crop_padding: How many pixels of padding there are on each side; 0 makes no crops.
        cutout: How many pixels a side of the cut square has; 0 cuts none. The authors take 16 for
            CIFAR-10 and 8 for CIFAR-100.

    Raises:
        ValueError: If a number is negative.

    Source: He et al. (2016), section 4.2, crops and flips with zeros on mean-free images;
    DeVries & Taylor (2017), Cutout.

    >>> images = torch.ones(8, 3, 4, 4)
    >>> Augmentation(flip=False, crop_padding=0, cutout=1)(images).sum(dim=(1, 2, 3))
    tensor([45., 45., 45., 45., 45., 45., 45., 45.])
    """

    flip: bool = True
    crop_padding: int = 4
    cutout: int = 0

    def __post_init__(self) -> None:
        check_at_least(0, crop_padding=self.crop_padding, cutout=self.cutout)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Augment a batch of images, which keep their shape.

        Args:
            inputs: Normalised images, (B, C, H, W), which stay as they are.

        Raises:
            ValueError: If they have another number of dimensions.
        """
        if inputs.dim() != 4:
            raise ValueError(
                "Expected argument `inputs` to be a batch of images (B, C, H, W) to augment, got "
                f"shape {tuple(inputs.shape)}."
            )
        batch, _, height, width = inputs.shape
        places = 2 * self.crop_padding + 1
        drawn = torch.stack(
            [torch.randint(n, (batch,)) for n in (places, places, 2, height, width)]
        )
        top, left, mirrored, row, column = drawn.to(inputs.device, non_blocking=True)
        if self.crop_padding:
            inputs = crop(inputs, top, left, self.crop_padding)
        if self.flip:
            inputs = flip(inputs, mirrored.bool())
        if self.cutout:
            inputs = cutout(inputs, row, column, self.cutout)
        return inputs


def augment_training(batch: Any, augment: Augmentation | None, trainer: pl.Trainer | None) -> Any:
    """Augment a batch if it is trained on: what ``on_after_batch_transfer`` returns.

    Args:
        batch: The inputs, the targets and whatever follows them.
        augment: ``None`` leaves every batch alone.
        trainer: Says which stage it is in; without one no batch is changed.
    """
    if augment is None or trainer is None or not trainer.training:
        return batch
    inputs, *rest = batch
    return (augment(inputs), *rest)
