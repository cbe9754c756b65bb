"""LeNet-5."""

from __future__ import annotations

from torch import nn


class LeNet5(nn.Sequential):
    """LeNet-5 (LeCun et al. 1998) in its common modern form: ReLU, max pooling, linear output.

    Two 5x5 convolutions with 6 and 16 channels (the first padded by 2), each followed by 2x2 max
    pooling, then fully connected layers of 120 and 84.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        image_size: Height and width, at least 12 and a multiple of 4.

    Raises:
        ValueError: If a number is out of its range.

    >>> sum(p.numel() for p in LeNet5().parameters())
    61706
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> None:
        if num_classes < 1 or in_channels < 1:
            raise ValueError(
                "Expected arguments `num_classes` and `in_channels` to be at least 1, got "
                f"{num_classes} and {in_channels}."
            )
        if image_size < 12 or image_size % 4:
            raise ValueError(
                "Expected argument `image_size` to be a multiple of 4 of at least 12, got "
                f"{image_size}."
            )
        side = (image_size // 2 - 4) // 2
        super().__init__(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )
