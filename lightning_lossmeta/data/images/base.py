"""What data modules of images share: normalisation and augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_lossmeta.data.base import TensorDataModule
from lightning_lossmeta.data.images.augment import Augmentation, augment_training


class ImageDataModule(TensorDataModule):
    """Images in memory, normalised by channel, augmented batch by batch in training alone.

    Args:
        augment: Changes each training batch on the device it is trained on; ``None`` changes
            nothing.
        **kwargs: Those of :class:`~lightning_lossmeta.data.base.TensorDataModule`.
    """

    def __init__(self, augment: Augmentation | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.augment = augment

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment a batch if it is one of training."""
        return augment_training(batch, self.augment, self.trainer)


def normalised(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Bring pixels to mean 0 and standard deviation 1 in each channel.

    ::

        x = (pixel / 255 - mean) / std

    Args:
        pixels: Values from 0 to 255, (N, C, H, W), uint8.
        mean: What is subtracted of pixels in [0, 1], by channel.
        std: What they are divided by, by channel.

    Returns:
        The images, (N, C, H, W), float32.

    >>> normalised(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), [0.5], [0.25])
    tensor([[[[2.]]]])
    """
    shape = (-1, 1, 1)
    whole = pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    return whole.sub_(torch.tensor(mean).view(shape)).div_(torch.tensor(std).view(shape))


def channel_statistics(pixels: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure mean and standard deviation of pixels in [0, 1], by channel.

    Args:
        pixels: Values from 0 to 255, (N, C, H, W), uint8.

    Raises:
        ValueError: If all pixels of a channel are the same.

    >>> channel_statistics(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in range(pixels.shape[1]):
        counts = pixels[:, channel].flatten().bincount(minlength=256)
        share = counts / counts.sum()
        mean = (share * values).sum()
        std = (share * (values - mean).square()).sum().sqrt()
        if int((counts > 0).sum()) < 2:
            raise ValueError(
                "Expected the training images to differ in every channel, got one value for all "
                f"pixels of channel {channel}: they can't be normalised. Give `mean` and `std`."
            )
        means.append(float(mean))
        stds.append(float(std))
    return tuple(means), tuple(stds)
