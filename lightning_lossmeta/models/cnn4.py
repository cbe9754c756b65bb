"""The 4-layer CNN of Gao et al."""

from __future__ import annotations

from torch import nn

from lightning_lossmeta._validation import check_at_least


class CNN4(nn.Sequential):
    """Two 5x5 convolutions with 32 and 64 channels, then linear layers of 1024 and the classes.

    The table of the paper has no pooling and an input of 32x32, yet a first linear layer of 1024
    inputs. That is 64 maps of 4x4, which come of 28x28 images (the paper trains this network on
    MNIST) with unpadded convolutions, each followed by 2x2 max pooling. So it is built here; 32x32
    images give 64 maps of 5x5 and a first linear layer of 1600 inputs.

    Args:
        num_classes: How many outputs there are, one for each class.
        in_channels: How many channels the images have.
        image_size: Height and width, at least 16.

    Raises:
        ValueError: If a number is out of its range.

    Source: Gao et al. (2021), table 6.

    >>> CNN4()[7]
    Linear(in_features=1024, out_features=1024, bias=True)
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> None:
        check_at_least(1, num_classes=num_classes, in_channels=in_channels)
        check_at_least(16, image_size=image_size)
        side = ((image_size - 4) // 2 - 4) // 2
        super().__init__(
            nn.Conv2d(in_channels, 32, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * side * side, 1024),
            nn.ReLU(),
            nn.Linear(1024, num_classes),
        )
