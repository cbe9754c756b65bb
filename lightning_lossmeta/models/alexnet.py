"""AlexNet for small images."""

from __future__ import annotations

import math

from torch import nn

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.models.initialisation import HeSequential


class AlexNet(HeSequential):
    """torchvision's AlexNet with 3x3 convolutions and 2x2 max pooling, as used on CIFAR-10.

    Convolutions of 64 (stride 2), 192, 384, 256 and 256 channels, pooling after the first, second
    and last, then two hidden linear layers. The image shrinks 16 times: 28x28 and 32x32 end at 2x2.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        image_size: Height and width.
        hidden: Width of both hidden linear layers.
        dropout: Probability before each of them; Krizhevsky et al. have 0.5, the published code of
            Raymond et al. none.

    Raises:
        ValueError: If a number is out of its range.

    Source: Krizhevsky et al. (2012), in the form of Raymond et al. (2024).
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        hidden: int = 4096,
        dropout: float = 0.0,
    ) -> None:
        check_at_least(
            1,
            num_classes=num_classes,
            in_channels=in_channels,
            image_size=image_size,
            hidden=hidden,
        )
        check_interval("dropout", dropout, 0, 1, "[)")
        side = math.ceil(image_size / 16)
        super().__init__(
            nn.Conv2d(in_channels, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(64, 192, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(256 * side * side, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )
